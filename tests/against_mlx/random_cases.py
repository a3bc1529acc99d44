"""What the conformance cases of random numbers (tests/conformance_function.c) are in MLX: for op_results_test.py."""
from mlx_values import mx


def cases():
    """From the name of a case, as its file has it, to MLX's results."""
    r = mx.random
    f16, f64, b16, c64 = mx.float16, mx.float64, mx.bfloat16, mx.complex64

    def multivariate(k, mean, x):
        cov = x @ x.T + mx.diag(mx.arange(1.0, 13, 4))
        return [r.multivariate_normal(mean, cov, key=k), r.multivariate_normal(mean, cov, (4, 2), key=k)]

    return {
        "random-key-random-split": lambda k: [r.split(k, 3), r.key(0x123456789ABCDEF0)],
        "random-uniform": lambda k: [r.uniform(-1, 2, (3, 4), key=k), r.uniform(shape=(5,), dtype=f16, key=k),
                                     r.uniform(shape=(5,), dtype=b16, key=k)],
        "random-uniform-between-arrays": lambda k, x: [r.uniform(x, x + 1, (2, 3), key=k), r.uniform(x, x + 1, (2, 3), f16, key=k)],
        "random-normal": lambda k: [r.normal((3, 4), key=k), r.normal((3,), loc=1, scale=2, key=k), r.normal((3,), dtype=b16, key=k),
                                    r.normal((3,), dtype=c64, key=k)],
        "random-normal-about-arrays": lambda k, x: [r.normal((2, 3), loc=x, scale=x, key=k), r.normal((2, 3), f16, scale=x, key=k),
                                                    r.normal((2, 3), b16, loc=x, key=k), r.normal((2, 3), c64, loc=x, scale=x, key=k)],
        "random-multivariate-normal": multivariate,
        "random-laplace": lambda k: [r.laplace((3, 4), key=k), r.laplace((5,), loc=-1, scale=2.5, key=k),
                                     r.laplace((5,), f16, loc=0.1, scale=3, key=k), r.laplace((5,), b16, key=k)],
        "random-normal-random-laplace-float64": lambda k: [r.normal((4,), f64, loc=1, scale=2, key=k), r.laplace((5,), f64, key=k)],
        "random-uniform-random-normal-float64-between-arrays": lambda k, x, y: [
            r.uniform(x, y, (2, 3), f64, key=k), r.normal((2, 3), f64, loc=x, scale=y, key=k)],
        "random-bernoulli": lambda k: r.bernoulli(0.3, (20,), key=k),
        "random-bernoulli-of-an-array": lambda k, p: [r.bernoulli(p, key=k), r.bernoulli(p, (4, 3), key=k)],
        "random-randint": lambda k: [r.randint(-3, 9, (20,), key=k), r.randint(0, 200, (20,), mx.uint8, key=k),
                                     r.randint(5, 2, (4,), mx.int64, key=k)],
        "random-randint-between-arrays": lambda k, i, x: [r.randint(i, i + 7, (5, 3), key=k), r.randint(x, 20, (5, 2), mx.int16, key=k)],
        "random-truncated-normal": lambda k: r.truncated_normal(-1, 2, (8,), key=k),
        "random-truncated-normal-between-arrays": lambda k, x: [r.truncated_normal(x, x + 1, key=k),
                                                                r.truncated_normal(x, x + 1, (2, 3), f16, key=k)],
        "random-truncated-normal-float32-between-arrays": lambda k, x, y: r.truncated_normal(x, x + y, (2, 3), key=k),
        "random-gumbel": lambda k: [r.gumbel((8,), key=k), r.gumbel((8,), f16, key=k)],
        "random-categorical": lambda k, x: r.categorical(x, 1, key=k),
        "random-categorical-several-per-row": lambda k, x: [r.categorical(x, 1, num_samples=4, key=k), r.categorical(x, 0, num_samples=5, key=k),
                                                            r.categorical(x, -1, (5, 3), key=k), r.categorical(x, 0, (2, 5, 4), key=k)],
        "random-categorical-of-one-row": lambda k, x, y: [r.categorical(x, 1, key=k), r.categorical(x, -1, num_samples=5, key=k),
                                                          r.categorical(y, 0, (2, 3), key=k), r.categorical(y, 0, key=k)],
        "random-permutation-of": lambda k, x: [r.permutation(x, 0, key=k), r.permutation(x, -1, key=k)],
        "random-permutation": lambda k: r.permutation(9, key=k),
    }
