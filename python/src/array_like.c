/* array_like.c: ArrayLike, the name that MLX's interface has for an object with a method __mlx_array__. Made of such an
   object, it is one. */
#include "binding.h"

typedef struct like_object {
  PyObject_HEAD PyObject *object; /* NULL until __init__ */
} like_object;

static int like_init(PyObject *self, PyObject *args, PyObject *keywords) {
  PyObject *object;
  if (keywords && PyDict_Size(keywords)) {
    PyErr_SetString(PyExc_TypeError, "ArrayLike() takes no keyword arguments");
    return -1;
  }
  if (!PyArg_ParseTuple(args, "O:ArrayLike", &object)) return -1;
  PyObject *before = ((like_object *)self)->object;
  ((like_object *)self)->object = Py_NewRef(object);
  Py_XDECREF(before);
  return 0;
}

static void like_free(PyObject *self) {
  PyTypeObject *type = Py_TYPE(self);
  Py_XDECREF(((like_object *)self)->object);
  PyObject_Free(self);
  Py_DECREF(type);
}

static PyObject *like_array(PyObject *self, PyObject *unused) {
  (void)unused;
  PyObject *object = ((like_object *)self)->object;
  if (object) return PyObject_CallMethod(object, "__mlx_array__", NULL);
  PyErr_SetString(PyExc_TypeError, "ArrayLike: it was not initialised");
  return NULL;
}

static PyMethodDef methods[] = {
    {"__mlx_array__", like_array, METH_NOARGS, "__mlx_array__(self) -> array\n\nThe object as an array."},
    END_OF_ROWS};
static PyType_Slot slots[] = {
    {Py_tp_doc, "ArrayLike(arg: object, /)\n\nAny object with a method __mlx_array__ that gives an array."},
    {Py_tp_init, like_init},
    {Py_tp_dealloc, like_free},
    {Py_tp_methods, methods},
    {0, NULL}};

int add_array_like(PyObject *module) {
  PyType_Spec spec = {"pons.core.ArrayLike", sizeof(like_object), 0, Py_TPFLAGS_DEFAULT, slots};
  PyObject *type = PyType_FromModuleAndSpec(module, &spec, NULL);
  const int bad = !type || PyModule_AddObjectRef(module, "ArrayLike", type) < 0;
  Py_XDECREF(type);
  return bad ? -1 : 0;
}
