/* ring.c: groups over TCP, told as MLX's ring is: MLX_HOSTFILE names a file with a list of addresses for each
   process, [["127.0.0.1:5000"], ["127.0.0.1:5001"]], of which the first is used; MLX_RANK says which is this one. Uses mesh.h. */
#include "links/mesh.h"
#include <cJSON.h>
#include <errno.h>
#include <stdlib.h>

/* The file's text, ended by 0. */
static char *read_file(const char *path, error **why) {
  enum { MOST = 1 << 20 };
  FILE *f = fopen(path, "rb");
  char *at = f ? mem_alloc(MOST + 1) : NULL;
  size_t n = 0;
  if (!f) *why = fail_as(PONS_ERROR_RUNTIME, "ring", "MLX_HOSTFILE '%s' can't be read: %s", path, strerror(errno));
  else if (!at) *why = fail_no_memory("ring");
  else at[n = fread(at, 1, MOST, f)] = 0;
  if (f) fclose(f);
  return at;
}

/* The first address of each process. NULL and *why. */
static mesh_address *addresses_in(const char *path, const char *text, int *size, error **why) {
  cJSON *json = cJSON_Parse(text);
  const int count = cJSON_IsArray(json) ? cJSON_GetArraySize(json) : 0;
  mesh_address *addresses = count > 0 && count <= MESH_MOST ? mem_zalloc((size_t)count * sizeof *addresses) : NULL;
  bool fine = addresses != NULL;
  if (!fine && count > 0 && count <= MESH_MOST) *why = fail_no_memory("ring");
  int i = 0;
  for (const cJSON *item = fine ? json->child : NULL; item && fine; item = item->next, i++) {
    const char *address = cJSON_IsArray(item) ? cJSON_GetStringValue(item->child) : NULL;
    fine = address && strlen(address) < MESH_ADDRESS;
    if (fine) strcpy(addresses[i], address);
  }
  cJSON_Delete(json);
  *size = count;
  if (fine) return addresses;
  if (!*why) *why = fail_as(PONS_ERROR_RUNTIME, "ring", "MLX_HOSTFILE '%s' is no list of lists of \"address:port\"", path);
  mem_free(addresses);
  return NULL;
}

static process_group *ring_open(error **why) {
  const char *path = getenv("MLX_HOSTFILE");
  if (!path || !*path || !getenv("MLX_RANK")) return NULL;
  process_group *g = NULL;
  mesh_address *addresses = NULL;
  char *text = read_file(path, why);
  if (!*why) {
    int size = 0;
    addresses = addresses_in(path, text, &size, why);
    const int64_t rank = link_number("MLX_RANK", -1, size - 1);
    if (addresses && rank < 0)
      *why = fail_as(PONS_ERROR_RUNTIME, "ring", "MLX_RANK is '%s', not 0 to %d", getenv("MLX_RANK"), size - 1);
    else if (addresses)
      g = mesh_open(&link_ring, (int)rank, size, addresses, false, why);
  }
  mem_free(addresses);
  mem_free(text);
  return g;
}

const link_driver link_ring = {
    .name = "ring", .needs = "MLX_HOSTFILE and MLX_RANK", .open = ring_open, .split = mesh_split, .run = mesh_run,
    .leave = mesh_leave, .gone = mesh_gone};
