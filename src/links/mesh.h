/* mesh.h: TCP connections between all processes of a group, for the drivers ring and nccl. Of links/ alone. */
#ifndef LINKS_MESH_H
#define LINKS_MESH_H
#include "links/links.h"
#include <sys/socket.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* macOS: mesh_connect.c says it of the socket */
#endif

/* "127.0.0.1:5000", "[::1]:5000"; "": not known. */
enum { MESH_ADDRESS = 64, MESH_MOST = 1 << 14 };
typedef char mesh_address[MESH_ADDRESS];

/* The group in which this process has that rank. It listens at addresses[rank], those of higher rank call there. `told`: all addresses
   but the first are unknown; process 0 tells them. Waits until all are there, or $PONS_CONNECT_TIMEOUT seconds (60) are over. */
process_group *mesh_open(const link_driver *driver, int rank, int size, mesh_address *addresses, bool told, error **why);
process_group *mesh_split(process_group *g, int color, int key, error **why);
error *mesh_run(process_group *g, const link_call *call);
void mesh_leave(process_group *g);
int mesh_gone(const process_group *g);
/* mesh_connect.c: a socket for each rank but this one. */
error *mesh_connect(const char *op, int rank, int size, mesh_address *addresses, bool told, int *sockets);
extern const link_driver link_ring, link_nccl;
#endif
