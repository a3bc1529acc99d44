/* copies.c: between host and device, by way of page-locked memory, which the device reads and writes by itself, on queues of
   their own (order.c); few bytes are written on the queue of kernels.

   Writing: host bytes go into chunks that are used in turn; a chunk is filled anew when the device has read it. Reading: two
   chunks, so that one is copied to where it is wanted while the device fills the other. Where no page-locked memory is to be
   had, the driver copies from and to ordinary memory. Uses cuda.h, nccl.h. */
#include "backends/cuda/cuda.h"
#include "backends/cuda/nccl.h"

enum { CHUNK = 4 << 20, SMALL_CHUNK = 2 * CUDA_SMALL };
static size_t chunk_of(const cuda_device *d, const cuda_staging *s) { return s == &d->small ? SMALL_CHUNK : CHUNK; }
static int queue_of(const cuda_device *d, const cuda_staging *s) {
  return s == &d->small ? CUDA_WORK : s == &d->in ? CUDA_IN : CUDA_OUT;
}
static CUstream stream_of(const cuda_device *d, const cuda_staging *s) { return d->queues[queue_of(d, s)].at; }

/* ---- chunks ---- */

/* The lock of `s` is held, here and in what follows. What can't be had at the first call is done without from then on. */
static bool open_chunks(cuda_device *d, cuda_staging *s) {
  if (s->opened) return !s->absent;
  s->opened = true;
  for (int i = 0; i < CUDA_CHUNKS && !s->absent; i++) {
    void *chunk = NULL;
    s->absent = cuda()->cuMemAllocHost(&chunk, chunk_of(d, s)) != CUDA_SUCCESS ||
                cuda()->cuEventCreate(&s->done[i], CU_EVENT_DISABLE_TIMING) != CUDA_SUCCESS;
    s->chunks[i] = chunk;
  }
  for (int i = 0; i < CUDA_CHUNKS && s->absent; i++) {
    if (s->chunks[i]) error_release(cuda_check(d, cuda()->cuMemFreeHost(s->chunks[i]), "cuMemFreeHost"));
    if (s->done[i]) error_release(cuda_check(d, cuda()->cuEventDestroy(s->done[i]), "cuEventDestroy"));
  }
  return !s->absent;
}

static error *record(cuda_device *d, cuda_staging *s, int chunk) {
  return cuda_check(d, cuda()->cuEventRecord(s->done[chunk], stream_of(d, s)), "cuEventRecord");
}

/* An event that was never recorded is done. */
static error *wait_for(cuda_device *d, cuda_staging *s, int chunk) {
  return cuda_check(d, cuda()->cuEventSynchronize(s->done[chunk]), "cuEventSynchronize");
}

/* ---- to the device ---- */

/* Makes room in the current chunk, or goes on to the next. */
static error *next_chunk(cuda_device *d, cuda_staging *s) {
  error *why = record(d, s, s->current);
  s->current = (s->current + 1) % CUDA_CHUNKS;
  s->used = 0;
  return why ? why : wait_for(d, s, s->current);
}

static error *write_staged(cuda_device *d, cuda_staging *s, CUdeviceptr to, const char *from, size_t bytes) {
  error *why = NULL;
  for (size_t piece; bytes > 0 && !why; to += piece, from += piece, bytes -= piece) {
    if (s->used == chunk_of(d, s)) why = next_chunk(d, s);
    const size_t room = chunk_of(d, s) - s->used;
    piece = bytes < room ? bytes : room;
    if (why) break;
    char *at = s->chunks[s->current] + s->used;
    memcpy(at, from, piece);
    s->used += piece;
    why = cuda_check(d, cuda()->cuMemcpyHtoDAsync(to, at, piece, stream_of(d, s)), "cuMemcpyHtoDAsync(%zu bytes)",
                     piece);
  }
  return why;
}

static error *write_to(cuda_device *d, cuda_block *b, size_t at, const void *host, size_t bytes) {
  cuda_staging *s = bytes > CUDA_SMALL ? &d->in : &d->small;
  const int q = queue_of(d, s);
  pthread_mutex_lock(&s->lock);
  error *why = cuda_order(d, q, b, true);
  if (!why && open_chunks(d, s)) {
    why = write_staged(d, s, b->at + at, host, bytes);
  } else if (!why) { /* the driver has taken the bytes when it returns, but for what it reads by itself */
    why = cuda_check(d, cuda()->cuMemcpyHtoDAsync(b->at + at, host, bytes, stream_of(d, s)), "cuMemcpyHtoDAsync(%zu bytes)", bytes);
    if (!why) why = cuda_wait_for(d, q);
  }
  cuda_count_use(d, q, b, true);
  pthread_mutex_unlock(&s->lock);
  return why;
}

error *cuda_write(int index, void *memory, size_t at, const void *host, size_t bytes) {
  error *why = nccl_wait(index, false);
  cuda_device *d = why ? NULL : cuda_enter(index, &why);
  if (!d) return why;
  why = cuda_end_noting(d);
  if (!why) why = write_to(d, memory, at, host, bytes);
  cuda_leave(d);
  return why;
}

/* ---- from the device ---- */

static error *fetch(cuda_device *d, cuda_staging *s, int chunk, CUdeviceptr from, size_t bytes) {
  error *why = cuda_check(d, cuda()->cuMemcpyDtoHAsync(s->chunks[chunk], from, bytes, stream_of(d, s)),
                          "cuMemcpyDtoHAsync(%zu bytes)", bytes);
  return why ? why : record(d, s, chunk);
}

static size_t piece_at(size_t done, size_t bytes) { return bytes - done < CHUNK ? bytes - done : CHUNK; }

/* While a piece is copied out of one chunk the next arrives in the other. */
static error *read_staged(cuda_device *d, cuda_staging *s, char *to, CUdeviceptr from, size_t bytes) {
  int chunk = 0;
  error *why = fetch(d, s, chunk, from, piece_at(0, bytes));
  for (size_t done = 0; done < bytes && !why; chunk = !chunk) {
    const size_t piece = piece_at(done, bytes), rest = done + piece;
    if (rest < bytes) why = fetch(d, s, !chunk, from + rest, piece_at(rest, bytes));
    if (!why) why = wait_for(d, s, chunk);
    if (!why) memcpy(to + done, s->chunks[chunk], piece);
    done = rest;
  }
  return why;
}

static error *read_from(cuda_device *d, cuda_block *b, size_t at, void *host, size_t bytes) {
  cuda_staging *s = &d->out;
  pthread_mutex_lock(&s->lock);
  error *why = cuda_order(d, CUDA_OUT, b, false);
  if (!why && open_chunks(d, s)) {
    why = read_staged(d, s, host, b->at + at, bytes);
  } else if (!why) {
    why = cuda_check(d, cuda()->cuMemcpyDtoHAsync(host, b->at + at, bytes, stream_of(d, s)), "cuMemcpyDtoHAsync(%zu bytes)", bytes);
    if (!why) why = cuda_wait_for(d, CUDA_OUT);
  }
  if (why) cuda_count_use(d, CUDA_OUT, b, false); /* it may still be under way */
  pthread_mutex_unlock(&s->lock);
  return why;
}

error *cuda_read(int index, void *memory, size_t at, void *host, size_t bytes) {
  error *why = nccl_wait(index, false);
  cuda_device *d = why ? NULL : cuda_enter(index, &why);
  if (!d) return why;
  why = cuda_end_noting(d);
  if (!why) why = read_from(d, memory, at, host, bytes);
  cuda_leave(d);
  return why;
}

error *cuda_finish(int index) {
  error *why = nccl_wait(index, false);
  cuda_device *d = why ? NULL : cuda_enter(index, &why);
  if (!d) return why;
  why = cuda_end_noting(d);
  if (!why) why = cuda_wait(d);
  cuda_leave(d);
  return why;
}
