/* vectors.h: Metal's vectors in CUDA C++: construction from parts, arithmetic by element, swizzles. Text
   behind numbers.h.

   translate.c writes `v.zyx` as `v.template swizzle<2, 1, 0>()`: of what can be assigned to, that is a
   `swizzled`, a reference to some elements; of anything else a vector. */
namespace metal {

template <class T, int N>
struct vec;

template <class T, int N, int... I>
struct swizzled {
  vec<T, N> &of;
  operator vec<T, sizeof...(I)>() const { return vec<T, sizeof...(I)>(of[I]...); }
  const swizzled &operator=(const vec<T, sizeof...(I)> &x) const {
    const int places[] = {I...};
    for (int i = 0; i < (int)sizeof...(I); i++) of[places[i]] = x[i];
    return *this;
  }
  const swizzled &operator=(const swizzled &x) const { return *this = (vec<T, sizeof...(I)>)x; }
  T &operator[](int i) const {
    const int places[] = {I...};
    return of[places[i]];
  }
};

/* What is, or stands for, a vector: its elements' type and how many; scalars have 0. */
template <class A>
struct vector_like {
  typedef A element;
  typedef A type;
  static constexpr int size = 0;
};
template <class T, int N>
struct vector_like<vec<T, N>> {
  typedef T element;
  typedef vec<T, N> type;
  static constexpr int size = N;
};
template <class T, int N, int... I>
struct vector_like<swizzled<T, N, I...>> {
  typedef T element;
  typedef vec<T, sizeof...(I)> type;
  static constexpr int size = sizeof...(I);
};
template <class A>
using vector_of = enable_if_t<vector_like<A>::size != 0, typename vector_like<A>::type>;

#define VECTOR_MEMBERS(N)                                                     \
  vec() = default;                                                            \
  template <class S, class = enable_if_t<is_arithmetic<S>::value>>            \
  vec(S x) {                                                                  \
    for (int i = 0; i < N; i++) (*this)[i] = (T)x;                            \
  }                                                                           \
  template <class S>                                                          \
  explicit vec(const vec<S, N> &x) {                                          \
    for (int i = 0; i < N; i++) (*this)[i] = (T)x[i];                         \
  }                                                                           \
  template <class S, int M, int... I, class = enable_if_t<sizeof...(I) == N>> \
  explicit vec(const swizzled<S, M, I...> &x) {                               \
    for (int i = 0; i < N; i++) (*this)[i] = (T)x[i];                         \
  }                                                                           \
  template <class A, class B, class... C>                                     \
  vec(const A &a, const B &b, const C &...c) {                                \
    put<0>(a, b, c...);                                                       \
  }                                                                           \
  T &operator[](int i) { return (&x)[i]; }                                    \
  const T &operator[](int i) const { return (&x)[i]; }                        \
  template <int... I>                                                         \
  swizzled<T, N, I...> swizzle() & {                                          \
    return {*this};                                                           \
  }                                                                           \
  template <int... I>                                                         \
  vec<T, sizeof...(I)> swizzle() const & {                                    \
    return vec<T, sizeof...(I)>((*this)[I]...);                               \
  }                                                                           \
  template <int... I>                                                         \
  vec<T, sizeof...(I)> swizzle() && {                                         \
    return vec<T, sizeof...(I)>((*this)[I]...);                               \
  }                                                                           \
                                                                              \
 private:                                                                     \
  template <int At>                                                           \
  void put() {                                                                \
    static_assert(At == N, "a vector of too few elements");                   \
  }                                                                           \
  template <int At, class A, class... C>                                      \
  void put(const A &a, const C &...c) {                                       \
    put_one<At>(a, integral_constant<int, vector_like<A>::size>());           \
    put<At + (vector_like<A>::size ? vector_like<A>::size : 1)>(c...);        \
  }                                                                           \
  template <int At, class A>                                                  \
  void put_one(const A &a, integral_constant<int, 0>) {                       \
    static_assert(At < N, "a vector of too many elements");                   \
    (*this)[At] = (T)a;                                                       \
  }                                                                           \
  template <int At, class A, int M>                                           \
  void put_one(const A &a, integral_constant<int, M>) {                       \
    static_assert(At + M <= N, "a vector of too many elements");              \
    const typename vector_like<A>::type v = a;                                \
    for (int i = 0; i < M; i++) (*this)[At + i] = (T)v[i];                    \
  }

template <class T>
struct alignas(2 * sizeof(T)) vec<T, 2> {
  union {
    T x, r;
  };
  union {
    T y, g;
  };
  VECTOR_MEMBERS(2)
};
template <class T>
struct alignas(4 * sizeof(T)) vec<T, 3> {
  union {
    T x, r;
  };
  union {
    T y, g;
  };
  union {
    T z, b;
  };
  VECTOR_MEMBERS(3)
};
template <class T>
struct alignas(4 * sizeof(T)) vec<T, 4> {
  union {
    T x, r;
  };
  union {
    T y, g;
  };
  union {
    T z, b;
  };
  union {
    T w, a;
  };
  VECTOR_MEMBERS(4)
};
#undef VECTOR_MEMBERS

/* Without the alignment: as elements lie in an array. */
template <class T, int N>
struct packed_vec {
  T at[N];
  packed_vec() = default;
  packed_vec(const vec<T, N> &v) {
    for (int i = 0; i < N; i++) at[i] = v[i];
  }
  operator vec<T, N>() const {
    vec<T, N> v;
    for (int i = 0; i < N; i++) v[i] = at[i];
    return v;
  }
  T &operator[](int i) { return at[i]; }
  const T &operator[](int i) const { return at[i]; }
};

/* A number beside a value in a condition: it becomes of that value's type (translate.c). */
template <class L>
struct literal_of {
  L value;
  template <class N, class = enable_if_t<is_arithmetic<N>::value>>
  constexpr operator N() const {
    return (N)value;
  }
  template <class T, int N>
  operator vec<T, N>() const {
    return vec<T, N>((T)value);
  }
};
template <class L>
constexpr literal_of<L> literal(L value) {
  return {value};
}

#define VECTOR_TYPES(type, name)                \
  typedef vec<type, 2> name##2;                 \
  typedef vec<type, 3> name##3;                 \
  typedef vec<type, 4> name##4;                 \
  typedef packed_vec<type, 2> packed_##name##2; \
  typedef packed_vec<type, 3> packed_##name##3; \
  typedef packed_vec<type, 4> packed_##name##4;
VECTOR_TYPES(bool, bool)
VECTOR_TYPES(char, char)
VECTOR_TYPES(uchar, uchar)
VECTOR_TYPES(short, short)
VECTOR_TYPES(ushort, ushort)
VECTOR_TYPES(int, int)
VECTOR_TYPES(uint, uint)
VECTOR_TYPES(long, long)
VECTOR_TYPES(ulong, ulong)
VECTOR_TYPES(half, half)
VECTOR_TYPES(bfloat, bfloat)
VECTOR_TYPES(float, float)
#undef VECTOR_TYPES

/* ---- by element ---- */

/* The vector that a and b meet in: of one size, or one of them a scalar, which becomes an element. */
template <class A, class B, int M = vector_like<A>::size, int N = vector_like<B>::size>
struct meeting {};
template <class A, class B, int N>
struct meeting<A, B, N, N> {
  typedef typename vector_like<A>::type type;
};
template <class A, class B>
struct meeting<A, B, 0, 0> {};
template <class A, class B, int N>
struct meeting<A, B, N, 0> {
  typedef typename vector_like<A>::type type;
};
template <class A, class B, int N>
struct meeting<A, B, 0, N> {
  typedef typename vector_like<B>::type type;
};
template <class A, class B>
using met = typename meeting<A, B>::type;
template <class V>
using truths_of = vec<bool, vector_like<V>::size>;

#define BY_ELEMENT(op)                                                                           \
  template <class A, class B>                                                                    \
  inline met<A, B> operator op(const A &a, const B &b) {                                         \
    const met<A, B> x = a, y = b;                                                                \
    met<A, B> z;                                                                                 \
    for (int i = 0; i < vector_like<met<A, B>>::size; i++)                                       \
      z[i] = (typename vector_like<met<A, B>>::element)(x[i] op y[i]);                           \
    return z;                                                                                    \
  }                                                                                              \
  template <class T, int N, class B>                                                             \
  inline vec<T, N> &operator op##=(vec<T, N> &a, const B &b) {                                   \
    return a = a op b;                                                                           \
  }                                                                                              \
  template <class T, int N, int... I, class B>                                                   \
  inline const swizzled<T, N, I...> &operator op##=(const swizzled<T, N, I...> &a, const B &b) { \
    return a = a op b;                                                                           \
  }
BY_ELEMENT(+)
BY_ELEMENT(-)
BY_ELEMENT(*)
BY_ELEMENT(/)
BY_ELEMENT(%)
BY_ELEMENT(&)
BY_ELEMENT(|)
BY_ELEMENT(^)
BY_ELEMENT(<<)
BY_ELEMENT(>>)
#undef BY_ELEMENT

#define TRUTH_BY_ELEMENT(op)                                                    \
  template <class A, class B>                                                   \
  inline truths_of<met<A, B>> operator op(const A &a, const B &b) {             \
    const met<A, B> x = a, y = b;                                               \
    truths_of<met<A, B>> z;                                                     \
    for (int i = 0; i < vector_like<met<A, B>>::size; i++) z[i] = x[i] op y[i]; \
    return z;                                                                   \
  }
TRUTH_BY_ELEMENT(==)
TRUTH_BY_ELEMENT(!=)
TRUTH_BY_ELEMENT(<)
TRUTH_BY_ELEMENT(<=)
TRUTH_BY_ELEMENT(>)
TRUTH_BY_ELEMENT(>=)
TRUTH_BY_ELEMENT(&&)
TRUTH_BY_ELEMENT(||)
#undef TRUTH_BY_ELEMENT

#define SIGN_BY_ELEMENT(op)                                        \
  template <class A>                                               \
  inline vector_of<A> operator op(const A &a) {                    \
    vector_of<A> x = a;                                            \
    for (int i = 0; i < vector_like<A>::size; i++) x[i] = op x[i]; \
    return x;                                                      \
  }
SIGN_BY_ELEMENT(-)
SIGN_BY_ELEMENT(+)
SIGN_BY_ELEMENT(~)
SIGN_BY_ELEMENT(!)
#undef SIGN_BY_ELEMENT

inline bool any(bool x) { return x; }
inline bool all(bool x) { return x; }
template <int N>
inline bool any(const vec<bool, N> &x) {
  bool found = false;
  for (int i = 0; i < N; i++) found = found || x[i];
  return found;
}
template <int N>
inline bool all(const vec<bool, N> &x) {
  bool hold = true;
  for (int i = 0; i < N; i++) hold = hold && x[i];
  return hold;
}

} // namespace metal
