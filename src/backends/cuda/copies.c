/* copies.c: between host and device, by way of page-locked memory, which the device reads and writes by itself.

   Writing: host bytes go into chunks that are used in turn; a chunk is filled anew when the device has read it. Reading: two
   chunks, so that one is copied to where it is wanted while the device fills the other. Where no page-locked memory is to be
   had, the driver copies from and to ordinary memory. Uses cuda.h. */
#include "backends/cuda/cuda.h"

enum { CHUNK = 4 << 20 };

/* ---- chunks ---- */

/* The lock of `s` is held, here and in what follows. What can't be had at the first call is done without from then on. */
static bool open_chunks(cuda_device *d, cuda_staging *s) {
  if (s->opened) return !s->absent;
  s->opened = true;
  for (int i = 0; i < CUDA_CHUNKS && !s->absent; i++) {
    void *chunk = NULL;
    s->absent = cuda()->cuMemAllocHost(&chunk, CHUNK) != CUDA_SUCCESS ||
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
  return cuda_check(d, cuda()->cuEventRecord(s->done[chunk], d->queue), "cuEventRecord");
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
    if (s->used == CHUNK) why = next_chunk(d, s);
    piece = bytes < CHUNK - s->used ? bytes : CHUNK - s->used;
    if (why) break;
    char *at = s->chunks[s->current] + s->used;
    memcpy(at, from, piece);
    s->used += piece;
    why = cuda_check(d, cuda()->cuMemcpyHtoDAsync(to, at, piece, d->queue), "cuMemcpyHtoDAsync(%zu bytes)",
                     piece);
  }
  return why;
}

static error *write_to(cuda_device *d, CUdeviceptr to, const void *host, size_t bytes) {
  error *why = NULL;
  pthread_mutex_lock(&d->in.lock);
  if (open_chunks(d, &d->in)) {
    why = write_staged(d, &d->in, to, host, bytes);
  } else { /* the driver has taken the bytes when it returns, but for what it reads by itself */
    why = cuda_check(d, cuda()->cuMemcpyHtoDAsync(to, host, bytes, d->queue), "cuMemcpyHtoDAsync(%zu bytes)",
                     bytes);
    if (!why) why = cuda_wait(d);
  }
  pthread_mutex_unlock(&d->in.lock);
  return why;
}

error *cuda_write(int index, void *memory, const void *host, size_t bytes) {
  error *why = NULL;
  cuda_device *d = cuda_enter(index, &why);
  if (!d) return why;
  why = cuda_end_noting(d);
  if (!why) why = write_to(d, ((cuda_block *)memory)->at, host, bytes);
  cuda_leave(d);
  return why;
}

/* ---- from the device ---- */

static error *fetch(cuda_device *d, cuda_staging *s, int chunk, CUdeviceptr from, size_t bytes) {
  error *why = cuda_check(d, cuda()->cuMemcpyDtoHAsync(s->chunks[chunk], from, bytes, d->queue),
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

static error *read_from(cuda_device *d, CUdeviceptr from, void *host, size_t bytes) {
  error *why = NULL;
  pthread_mutex_lock(&d->out.lock);
  if (open_chunks(d, &d->out)) {
    why = read_staged(d, &d->out, host, from, bytes);
  } else {
    why = cuda_check(d, cuda()->cuMemcpyDtoHAsync(host, from, bytes, d->queue),
                     "cuMemcpyDtoHAsync(%zu bytes)", bytes);
    if (!why) why = cuda_wait(d);
  }
  pthread_mutex_unlock(&d->out.lock);
  return why;
}

error *cuda_read(int index, void *memory, void *host, size_t bytes) {
  error *why = NULL;
  cuda_device *d = cuda_enter(index, &why);
  if (!d) return why;
  why = cuda_end_noting(d);
  if (!why) why = read_from(d, ((cuda_block *)memory)->at, host, bytes);
  cuda_leave(d);
  return why;
}

error *cuda_finish(int index) {
  error *why = NULL;
  cuda_device *d = cuda_enter(index, &why);
  if (!d) return why;
  why = cuda_end_noting(d);
  if (!why) why = cuda_wait(d);
  cuda_leave(d);
  return why;
}
