/* info.c: what users ask about devices, in words and as JSON. Uses base/, account.c, pick.c, machine.c. */
#include "device/parts.h"

device *device_or_error(const char *op, const char *name) {
  device *d = name == NULL ? NULL : device_named(name);
  if (d != NULL) return d;
  text known = {0};
  for (int i = 0; i < pons_device_count(); i++)
    text_add(&known, "%s%s", i > 0 ? ", " : "", pons_device_name(i));
  error_release(fail(op, "no such device: '%s'\nhint: there are %s", name == NULL ? "(null)" : name,
                     known.at == NULL ? "none" : known.at));
  text_free(&known);
  return NULL;
}

static char *finished(const char *op, text *json) {
  char *all = text_take(json);
  if (all == NULL) error_release(fail_no_memory(op));
  return all;
}

const char *pons_device_name(int index) {
  return index >= 0 && index < pons_device_count() ? device_at(index)->name : NULL;
}

bool pons_is_available(const char *name) {
  if (name == NULL) return false;
  if (strcmp(name, "gpu") != 0) return device_named(name) != NULL;
  for (int i = 0; i < pons_device_count(); i++) {
    const device *d = device_at(i);
    if (d->driver->is_gpu != NULL && d->driver->is_gpu(d->index)) return true;
  }
  return false;
}

bool pons_metal_is_available(void) { return device_named("metal") != NULL; }
bool pons_cuda_is_available(void) { return device_named("cuda") != NULL; }

static void add_report(text *json, const driver *v) {
  if (v->report != NULL)
    v->report(json);
  else
    text_add(json, "{}");
}

char *pons_device_info(const char *name) {
  const device *d = device_or_error("device_info", name == NULL ? pons_default_device() : name);
  if (d == NULL) return NULL;
  text json = {0};
  text_add(&json, "{\"name\": ");
  text_add_json(&json, d->name);
  text_add(&json, ", \"device_name\": ");
  text_add_json(&json, d->driver->model != NULL ? d->driver->model(d->index) : d->driver->name);
  text_add(&json, ", \"architecture\": ");
  text_add_json(&json, machine_architecture());
  text_add(&json, ", \"memory_size\": %zu, \"found\": ", machine_memory());
  add_report(&json, d->driver);
  text_add(&json, "}");
  return finished("device_info", &json);
}

char *pons_device_report(void) {
  text json = {0};
  const int count = pons_device_count();
  const size_t available = machine_available_memory();
  text_add(&json, "{\"version\": \"%s\", \"threads\": %d, \"memory\": {\"machine\": %zu", pons_version(), parallel_threads(),
           machine_memory());
  if (available != SIZE_MAX) text_add(&json, ", \"available\": %zu", available);
  text_add(&json, "}, \"devices\": [");
  for (int i = 0; i < count; i++) {
    text_add(&json, "%s{\"name\": ", i > 0 ? ", " : "");
    text_add_json(&json, device_at(i)->name);
    text_add(&json, ", \"driver\": ");
    text_add_json(&json, device_at(i)->driver->name);
    text_add(&json, ", \"index\": %d, \"memory\": ", device_at(i)->index);
    account_add_json(&json, device_at(i));
    text_add(&json, "}");
  }
  text_add(&json, "], \"drivers\": {");
  for (const driver *const *v = pons_drivers; *v != NULL; v++) {
    if (v != pons_drivers) text_add(&json, ", ");
    text_add_json(&json, (*v)->name);
    text_add(&json, ": ");
    add_report(&json, *v);
  }
  text_add(&json, "}}");
  return finished("device_report", &json);
}

int pons_threads(void) { return parallel_threads(); }
void pons_set_threads(int count) { parallel_set_threads(count); }
const char *pons_version(void) { return PONS_VERSION; }
