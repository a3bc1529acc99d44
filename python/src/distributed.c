/* distributed.c: the submodule distributed: groups of processes and their collectives. */
#include "binding.h"

typedef struct group_object {
  PyObject_HEAD pons_group group; /* lives with the process */
} group_object;
static PyTypeObject *group_type;

static PyObject *group_new(pons_group group) {
  if (!group) return raise_error();
  group_object *o = (group_object *)PyType_GenericAlloc(group_type, 0);
  if (o) o->group = group;
  return (PyObject *)o;
}

/* None is the group of all. */
static bool group_from(slot s, pons_group *out) {
  *out = NULL;
  if (s.kind == SLOT_NONE) return true;
  if (Py_TYPE(s.object) == group_type)
    *out = ((group_object *)s.object)->group;
  else
    PyErr_SetString(PyExc_TypeError, "group must be Group | None");
  return *out != NULL;
}

static PyObject *group_rank(PyObject *self, PyObject *unused) {
  (void)unused;
  return PyLong_FromLong(pons_group_rank(((group_object *)self)->group));
}

static PyObject *group_size(PyObject *self, PyObject *unused) {
  (void)unused;
  return PyLong_FromLong(pons_group_size(((group_object *)self)->group));
}

static PyObject *group_split(PyObject *self, PyObject *args, PyObject *keywords) {
  static char *names[] = {"color", "key", NULL};
  int color, key = -1;
  if (!PyArg_ParseTupleAndKeywords(args, keywords, "i|i:split", names, &color, &key)) return NULL;
  return group_new(pons_group_split(((group_object *)self)->group, color, key));
}

static PyMethodDef group_methods[] = {
    {"rank", group_rank, METH_NOARGS, "rank(self) -> int\n\nThis process's place, from 0."},
    {"size", group_size, METH_NOARGS, "size(self) -> int\n\nHow many processes."},
    {"split", (PyCFunction)(void (*)(void))group_split, METH_VARARGS | METH_KEYWORDS,
     "split(self, color: int, key: int = -1) -> Group\n\nThe processes that give the same color, ranked by "
     "key."},
    END_OF_ROWS};
static PyType_Slot group_slots[] = {
    {Py_tp_doc, "Processes that compute together."}, {Py_tp_methods, group_methods}, {0, NULL}};

#define DISTRIBUTED(id, text, what) NAMED_FUNCTION(distributed_##id, #id, text, what)

DISTRIBUTED(is_available, "(backend: str = 'any') -> bool", "Can groups be made over the backend?") {
  return PyBool_FromLong(pons_distributed_is_available(s[0].text));
}

DISTRIBUTED(
    init,
    "(strict: bool = False, backend: str = 'any', *, all_gather_factory: Callable | None = None) -> Group",
    "The group of all processes started together, or of this one alone; with strict that is an error.") {
  if (s[2].kind != SLOT_NONE) {
    PyErr_SetString(PyExc_RuntimeError,
                    "distributed.init: there is no backend that takes an all_gather_factory");
    return NULL;
  }
  return group_new(pons_distributed_init(s[0].flag, s[1].text));
}

#define COLLECTIVE(id, what)                                                                           \
  DISTRIBUTED(id, "(x: array, *, group: Group | None = None, stream: StreamOrDevice = None) -> array", \
              what) {                                                                                  \
    pons_group group;                                                                                  \
    return group_from(s[1], &group) ? wrap(pons_distributed_##id(s[0].array, group)) : NULL;           \
  }
COLLECTIVE(all_sum, "The sum of the processes' x.")
COLLECTIVE(all_max, "The maximum of the processes' x.")
COLLECTIVE(all_min, "The minimum of the processes' x.")
COLLECTIVE(all_gather, "The processes' x, joined along the first axis.")
COLLECTIVE(sum_scatter, "This process's part of the sum.")

DISTRIBUTED(send,
            "(x: array, dst: int, *, group: Group | None = None, stream: StreamOrDevice = None) -> array",
            "x, sent to a process when it is evaluated.") {
  pons_group group;
  return group_from(s[2], &group) ? wrap(pons_distributed_send(s[0].array, (int)s[1].i, group)) : NULL;
}

DISTRIBUTED(recv,
            "(shape: Sequence[int], dtype: Dtype, src: int, *, group: Group | None = None, stream: "
            "StreamOrDevice = None) "
            "-> array",
            "What a process sends.") {
  pons_group group;
  if (!group_from(s[3], &group)) return NULL;
  return wrap(pons_distributed_recv(s[0].ints.shape, s[1].dtype, (int)s[2].i, group));
}

DISTRIBUTED(recv_like,
            "(x: array, src: int, *, group: Group | None = None, stream: StreamOrDevice = None) -> array",
            "What a process sends, of x's shape and dtype.") {
  pons_group group;
  return group_from(s[2], &group) ? wrap(pons_distributed_recv_like(s[0].array, (int)s[1].i, group)) : NULL;
}

#define DISTRIBUTED_ROW(id) ALIAS(#id, distributed_##id)
static PyMethodDef rows[] = {DISTRIBUTED_ROW(is_available),
                             DISTRIBUTED_ROW(init),
                             DISTRIBUTED_ROW(all_sum),
                             DISTRIBUTED_ROW(all_max),
                             DISTRIBUTED_ROW(all_min),
                             DISTRIBUTED_ROW(all_gather),
                             DISTRIBUTED_ROW(sum_scatter),
                             DISTRIBUTED_ROW(send),
                             DISTRIBUTED_ROW(recv),
                             DISTRIBUTED_ROW(recv_like),
                             END_OF_ROWS};

int add_distributed(PyObject *submodule) {
  PyType_Spec spec = {"pons.core.distributed.Group", sizeof(group_object), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, group_slots};
  group_type = (PyTypeObject *)PyType_FromModuleAndSpec(submodule, &spec, NULL);
  if (!group_type || PyModule_AddObjectRef(submodule, "Group", (PyObject *)group_type) < 0) return -1;
  return PyModule_AddFunctions(submodule, rows);
}
