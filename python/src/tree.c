/* tree.c: trees of Python objects, see tree.h. Everything else here is one of three walks: map, update, visit. */
#include "tree.h"
#include <stdlib.h>
#include <string.h>

/* ---- the arrays of a tree ---- */

void leaves_begin(leaves *l) {
  l->count = 0;
  l->room = FEW_LEAVES;
  l->at = l->few;
  l->objects = l->few_objects;
}

void leaves_end(leaves *l) {
  for (int i = 0; i < l->count; i++) {
    pons_release(l->at[i]);
    Py_DECREF(l->objects[i]);
  }
  if (l->at != l->few) free(l->at);
  leaves_begin(l);
}

static bool leaves_grow(leaves *l) {
  const int room = l->room * 2;
  pons_array *at = room > l->room ? malloc((size_t)room * (sizeof *at + sizeof *l->objects)) : NULL;
  if (!at) return PyErr_NoMemory() != NULL;
  PyObject **objects = (PyObject **)(at + room);
  memcpy(at, l->at, (size_t)l->count * sizeof *at);
  memcpy(objects, l->objects, (size_t)l->count * sizeof *objects);
  if (l->at != l->few) free(l->at);
  l->at = at;
  l->objects = objects;
  l->room = room;
  return true;
}

static bool leaves_add(leaves *l, PyObject *o, pons_array a) {
  if (l->count == l->room && !leaves_grow(l)) return false;
  l->at[l->count] = pons_keep(a);
  l->objects[l->count++] = Py_NewRef(o);
  return true;
}

/* ---- walks ---- */

typedef enum shape_of_tree { LEAF, LIST, TUPLE, DICT } shape_of_tree;
static shape_of_tree shape_of_tree_at(PyObject *o) {
  return PyList_Check(o) ? LIST : PyTuple_Check(o) ? TUPLE : PyDict_Check(o) ? DICT : LEAF;
}

/* A tuple of the items of `list`, of the type of `like`. Takes the list. */
static PyObject *tuple_like(PyObject *like, PyObject *list) {
  PyObject *type = (PyObject *)Py_TYPE(like), *plain = PyList_AsTuple(list);
  Py_DECREF(list);
  if (!plain || PyTuple_CheckExact(like)) return plain;
  PyObject *made = PyObject_HasAttrString(type, "_fields") ? PyObject_Call(type, plain, NULL)
                                                           : PyObject_CallFunctionObjArgs(type, plain, NULL);
  Py_DECREF(plain);
  return made;
}

/* The i-th item of a list or tuple as a new reference; NULL and an exception if it is gone meanwhile. */
static PyObject *item_at(PyObject *o, bool list, Py_ssize_t i) {
  return Py_XNewRef(list ? PyList_GetItem(o, i) : PyTuple_GetItem(o, i));
}

static PyObject *map_items(PyObject *tree, bool list, leaf_map *map, void *context) {
  const Py_ssize_t count = list ? PyList_Size(tree) : PyTuple_Size(tree);
  PyObject *made = PyList_New(count);
  for (Py_ssize_t i = 0; made && i < count; i++) {
    PyObject *item = item_at(tree, list, i), *now = item ? tree_map(item, map, context) : NULL;
    Py_XDECREF(item);
    if (now) PyList_SetItem(made, i, now);
    else Py_CLEAR(made);
  }
  return made && !list ? tuple_like(tree, made) : made;
}

static PyObject *map_dict(PyObject *tree, leaf_map *map, void *context) {
  PyObject *made = PyDict_New(), *key, *item;
  for (Py_ssize_t at = 0; made && PyDict_Next(tree, &at, &key, &item);) {
    Py_INCREF(key);
    Py_INCREF(item);
    PyObject *now = tree_map(item, map, context);
    if (!now || PyDict_SetItem(made, key, now) < 0) Py_CLEAR(made);
    Py_XDECREF(now);
    Py_DECREF(item);
    Py_DECREF(key);
  }
  return made;
}

static const char too_deep[] = " in a tree";

PyObject *tree_map(PyObject *tree, leaf_map *map, void *context) {
  const shape_of_tree shape = shape_of_tree_at(tree);
  if (shape == LEAF) return map(context, tree);
  if (Py_EnterRecursiveCall(too_deep)) return NULL;
  PyObject *made = shape == DICT ? map_dict(tree, map, context) : map_items(tree, shape == LIST, map, context);
  Py_LeaveRecursiveCall();
  return made;
}

static bool update_list(PyObject *tree, leaf_map *map, void *context) {
  for (Py_ssize_t i = 0; i < PyList_Size(tree); i++) {
    PyObject *item = item_at(tree, true, i), *now = item ? tree_update(item, map, context) : NULL;
    const bool fine = now && (now == item || PyList_SetItem(tree, i, Py_NewRef(now)) == 0);
    Py_XDECREF(now);
    Py_XDECREF(item);
    if (!fine) return false;
  }
  return true;
}

/* Values of keys that are there may be set while a dict is walked. */
static bool update_dict(PyObject *tree, leaf_map *map, void *context) {
  PyObject *key, *item;
  bool fine = true;
  for (Py_ssize_t at = 0; fine && PyDict_Next(tree, &at, &key, &item);) {
    Py_INCREF(key);
    Py_INCREF(item);
    PyObject *now = tree_update(item, map, context);
    fine = now && (now == item || PyObject_SetItem(tree, key, now) == 0);
    Py_XDECREF(now);
    Py_DECREF(item);
    Py_DECREF(key);
  }
  return fine;
}

/* A tuple in which nothing changed is itself again. */
static PyObject *update_tuple(PyObject *tree, leaf_map *map, void *context) {
  const Py_ssize_t count = PyTuple_Size(tree);
  PyObject *made = PyList_New(count);
  bool changed = false;
  for (Py_ssize_t i = 0; made && i < count; i++) {
    PyObject *item = PyTuple_GetItem(tree, i), *now = tree_update(item, map, context);
    changed |= now != item;
    if (now) PyList_SetItem(made, i, now);
    else Py_CLEAR(made);
  }
  if (!made || changed) return made ? tuple_like(tree, made) : NULL;
  Py_DECREF(made);
  return Py_NewRef(tree);
}

static PyObject *update_random_key(PyObject *state, leaf_map *map, void *context) {
  PyObject *key = random_key_of_thread(), *now = key ? map(context, key) : NULL;
  const bool fine = now && set_random_key(now);
  Py_XDECREF(now);
  return fine ? Py_NewRef(state) : NULL;
}

PyObject *tree_update(PyObject *tree, leaf_map *map, void *context) {
  if (unwrap(tree)) return map(context, tree);
  const shape_of_tree shape = shape_of_tree_at(tree);
  if (shape == LEAF) return is_random_state(tree) ? update_random_key(tree, map, context) : Py_NewRef(tree);
  if (Py_EnterRecursiveCall(too_deep)) return NULL;
  PyObject *made = NULL;
  if (shape == TUPLE)
    made = update_tuple(tree, map, context);
  else if (shape == LIST ? update_list(tree, map, context) : update_dict(tree, map, context))
    made = Py_NewRef(tree);
  Py_LeaveRecursiveCall();
  return made;
}

static bool visit_items(PyObject *tree, bool list, leaf_visit *visit, void *context) {
  for (Py_ssize_t i = 0; i < (list ? PyList_Size(tree) : PyTuple_Size(tree)); i++)
    if (!tree_visit(list ? PyList_GetItem(tree, i) : PyTuple_GetItem(tree, i), visit, context)) return false;
  return true;
}

bool tree_visit(PyObject *tree, leaf_visit *visit, void *context) {
  if (unwrap(tree)) return visit(context, tree);
  const shape_of_tree shape = shape_of_tree_at(tree);
  if (shape == LEAF && is_random_state(tree)) tree = random_key_of_thread();
  if (shape == LEAF) return tree && visit(context, tree);
  if (Py_EnterRecursiveCall(too_deep)) return false;
  bool fine = true;
  PyObject *key, *item;
  if (shape == DICT)
    for (Py_ssize_t at = 0; fine && PyDict_Next(tree, &at, &key, &item);) fine = tree_visit(item, visit, context);
  else
    fine = visit_items(tree, shape == LIST, visit, context);
  Py_LeaveRecursiveCall();
  return fine;
}

/* ---- arrays out, arrays in ---- */

static bool add_array(void *context, PyObject *leaf) {
  pons_array a = unwrap(leaf);
  return !a || leaves_add(context, leaf, a);
}

static bool not_an_array(PyObject *leaf) {
  PyObject *name = type_name(leaf);
  if (name) PyErr_Format(PyExc_ValueError, "tree_flatten: the argument should contain only arrays, not %U", name);
  Py_XDECREF(name);
  return false;
}

static bool add_only_array(void *context, PyObject *leaf) {
  pons_array a = unwrap(leaf);
  return a ? leaves_add(context, leaf, a) : not_an_array(leaf);
}

bool tree_flatten(PyObject *tree, bool strict, leaves *l) {
  return tree_visit(tree, strict ? add_only_array : add_array, l);
}

static PyObject *next_array(supply *values) {
  if (values->next < values->count) return wrap(values->at[values->next++]);
  PyErr_SetString(PyExc_RuntimeError, "tree_unflatten: the tree has more arrays than before");
  return NULL;
}

static PyObject *next_for_array(void *context, PyObject *leaf) {
  return unwrap(leaf) ? next_array(context) : Py_NewRef(leaf);
}

PyObject *tree_unflatten(PyObject *tree, supply *values) { return tree_map(tree, next_for_array, values); }
PyObject *tree_fill(PyObject *tree, supply *values) { return tree_update(tree, next_for_array, values); }

/* Arrays that take the places of others, which are met in order as a rule. */
typedef struct exchange {
  const pons_array *from;
  PyObject *const *to;
  int count, next;
} exchange;

static PyObject *exchanged(void *context, PyObject *leaf) {
  exchange *x = context;
  pons_array a = unwrap(leaf);
  for (int k = 0; k < x->count; k++) {
    const int i = (x->next + k) % x->count;
    if (x->from[i] != a) continue;
    x->next = i + 1;
    return Py_NewRef(x->to[i]);
  }
  return Py_NewRef(leaf);
}

PyObject *tree_replace(PyObject *tree, const pons_array *from, PyObject *const *to, int count) {
  exchange x = {from, to, count, 0};
  return tree_update(tree, exchanged, &x);
}

/* ---- structures ---- */

/* What stands for an array: an object that no user can have. */
static PyObject *mark(void) {
  static PyObject *object;
  if (!object) object = PyObject_CallFunctionObjArgs((PyObject *)&PyBaseObject_Type, NULL);
  return object;
}

typedef struct marking {
  leaves *l;
  bool strict;
} marking;

static PyObject *marked(void *context, PyObject *leaf) {
  const marking *m = context;
  pons_array a = unwrap(leaf);
  if (a) return mark() && leaves_add(m->l, leaf, a) ? Py_NewRef(mark()) : NULL;
  if (!m->strict) return Py_NewRef(leaf);
  not_an_array(leaf);
  return NULL;
}

PyObject *tree_structure(PyObject *tree, bool strict, leaves *l) {
  marking m = {l, strict};
  return tree_map(tree, marked, &m);
}

static PyObject *next_for_mark(void *context, PyObject *leaf) {
  return leaf == mark() ? next_array(context) : Py_NewRef(leaf);
}

PyObject *structure_fill(PyObject *structure, supply *values) { return tree_map(structure, next_for_mark, values); }

/* ---- comparing ---- */

/* Numbers by their bits, so that nan equals itself and 0 is not -0. No code of the user's runs: subclasses are compared
   as what they are made from. */
static bool same_constant(PyObject *a, PyObject *b) {
  if (a == b) return true;
  if (Py_TYPE(a) != Py_TYPE(b)) return false;
  if (PyUnicode_Check(a)) return PyUnicode_Compare(a, b) == 0;
  if (PyFloat_Check(a)) {
    const double x = PyFloat_AsDouble(a), y = PyFloat_AsDouble(b);
    return memcmp(&x, &y, sizeof x) == 0;
  }
  if (!PyLong_Check(a)) return false;
  static richcmpfunc compare;
  if (!compare) compare = (richcmpfunc)PyType_GetSlot(&PyLong_Type, Py_tp_richcompare);
  PyObject *same = compare(a, b, Py_EQ);
  Py_XDECREF(same);
  return same == Py_True;
}

static bool items_fit(PyObject *structure, PyObject *tree, bool list, leaves *l) {
  const Py_ssize_t count = list ? PyList_Size(structure) : PyTuple_Size(structure);
  if ((list ? PyList_Size(tree) : PyTuple_Size(tree)) != count) return false;
  for (Py_ssize_t i = 0; i < count; i++) {
    PyObject *a = list ? PyList_GetItem(structure, i) : PyTuple_GetItem(structure, i);
    PyObject *b = list ? PyList_GetItem(tree, i) : PyTuple_GetItem(tree, i);
    if (!structure_fits(a, b, l)) return false;
  }
  return true;
}

static bool dict_fits(PyObject *structure, PyObject *tree, leaves *l) {
  if (PyDict_Size(structure) != PyDict_Size(tree)) return false;
  PyObject *key, *item, *key_there, *item_there;
  for (Py_ssize_t at = 0, there = 0; PyDict_Next(structure, &at, &key, &item);) {
    if (!PyDict_Next(tree, &there, &key_there, &item_there)) return false;
    if (!same_constant(key, key_there) || !structure_fits(item, item_there, l)) return false;
  }
  return true;
}

bool structure_fits(PyObject *structure, PyObject *tree, leaves *l) {
  pons_array a = unwrap(tree);
  if (structure == mark()) return tree == structure || (a && leaves_add(l, tree, a));
  if (a) return false;
  const shape_of_tree shape = shape_of_tree_at(structure);
  if (shape == LEAF) return same_constant(structure, tree);
  if (shape_of_tree_at(tree) != shape) return false;
  if (shape == TUPLE && Py_TYPE(structure) != Py_TYPE(tree)) return false;
  if (Py_EnterRecursiveCall(too_deep)) return false;
  const bool fine =
      shape == DICT ? dict_fits(structure, tree, l) : items_fit(structure, tree, shape == LIST, l);
  Py_LeaveRecursiveCall();
  return fine;
}
