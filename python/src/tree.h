/* tree.h: trees of Python objects: lists, tuples and dicts, nested, with arrays and other objects as leaves. Dicts are
   walked in the order of their keys' insertion. A dict of a type of its own (nn.Module) counts as a dict. The object
   random.state is visited and updated as if this thread's key were in its place. */
#ifndef TREE_H
#define TREE_H
#include "binding.h"

/* The arrays of a tree, in order; both lists own what they hold, so that Python may change the tree meanwhile. */
enum { FEW_LEAVES = 24 };
typedef struct leaves {
  int count, room;
  pons_array *at;
  PyObject **objects; /* the array objects */
  pons_array few[FEW_LEAVES];
  PyObject *few_objects[FEW_LEAVES];
} leaves;
void leaves_begin(leaves *l);
void leaves_end(leaves *l);

/* Functions of trees that return bool or an object give false or NULL with an exception. */

/* What becomes of a leaf: a new reference. */
typedef PyObject *leaf_map(void *context, PyObject *leaf);
/* Another tree of the same structure, in plain lists and dicts; tuples keep their type. */
PyObject *tree_map(PyObject *tree, leaf_map *map, void *context);
/* Puts what becomes of arrays in their places, in the lists and dicts there are. Tuples are made again: the result is
   the tree to go on with. */
PyObject *tree_update(PyObject *tree, leaf_map *map, void *context);
/* Calls `visit` for each leaf, until it returns false. */
typedef bool leaf_visit(void *context, PyObject *leaf);
bool tree_visit(PyObject *tree, leaf_visit *visit, void *context);

/* Adds the arrays of the tree. Strict: other leaves are errors (ValueError), else ignored. */
bool tree_flatten(PyObject *tree, bool strict, leaves *l);
/* Arrays to be put into a tree, one after another. */
typedef struct supply {
  const pons_array *at;
  int count, next;
} supply;
/* The tree with its arrays replaced by the next ones. */
PyObject *tree_unflatten(PyObject *tree, supply *values);
/* The same in place, see tree_update. */
PyObject *tree_fill(PyObject *tree, supply *values);
/* In place: arrays that are in `from` become the object at the same place of `to`; others stay. */
PyObject *tree_replace(PyObject *tree, const pons_array *from, PyObject *const *to, int count);

/* A structure is a tree in which a mark stands for each array. Made while the arrays are added to `l`; strict as
   above. */
PyObject *tree_structure(PyObject *tree, bool strict, leaves *l);
/* The tree of that structure with these arrays. */
PyObject *structure_fill(PyObject *structure, supply *values);
/* Has the tree this structure, and equal constants (None, numbers, text; others if they are the same object)? Adds its
   arrays to `l` on the way. A structure may be compared with another. False may come with an exception. */
bool structure_fits(PyObject *structure, PyObject *tree, leaves *l);

#endif
