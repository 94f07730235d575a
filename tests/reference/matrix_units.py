"""What sums that are cut off, as a GPU's matrix units make them, do to preconditioned conjugate gradients.

Kernel ridge regression of generated cells, solved as crates/recipe/src/pcg.rs does, with products as kernels/rbf.cu and
crates/cuda/src/halves.rs ask matrix units for them: numbers are sums of two float16 numbers, and sums are float32 numbers that are
cut off (or rounded) after every 16 terms. Prints the table of results/gpu/README.md; needs NumPy and takes ten minutes.
"""

import numpy as np

CELLS, TYPES, COMPONENTS, TARGETS, LANDMARKS = 6000, 12, 300, 8, 624
GAMMA, TOLERANCE, MOST = 0.005, 1e-3, 60
# alpha / ||K|| of 33,000 cells with alpha = 0.2.
SHARE = 4e-5
TERMS = 16


def cut_off(x):
    """float32, towards zero."""
    y = x.astype(np.float32)
    beyond = np.abs(y.astype(np.float64)) > np.abs(x)
    y[beyond] = np.nextafter(y[beyond], np.float32(0))
    return y


def rounded(x):
    return x.astype(np.float32)


def pair(x, scale):
    """Two matrices of float16 numbers whose sum is `scale` times x."""
    scaled = (x * scale).astype(np.float32)
    hi = scaled.astype(np.float16)
    return hi, (scaled - hi.astype(np.float32)).astype(np.float16)


def scales(x):
    """So that the largest magnitude of each column is in [128, 256)."""
    return 2.0 ** (7 - np.floor(np.log2(np.maximum(np.abs(x).max(0), 1e-30))))


def unit_sum(pairs, most, held):
    """The sum of products a b: `held` after every 16 terms, and begun anew, added up in float32, after `most`."""
    rows, columns = pairs[0][0].shape[0], pairs[0][1].shape[1]
    total = np.zeros((rows, columns), np.float32)
    length = pairs[0][0].shape[1]
    for start in range(0, length, most):
        sums = [np.zeros((rows, columns), np.float32) for _ in pairs]
        for at in range(start, min(start + most, length), TERMS):
            part = slice(at, min(at + TERMS, start + most, length))
            for i, (a, b) in enumerate(pairs):
                product = a[:, part].astype(np.float64) @ b[part].astype(np.float64)
                sums[i] = held(sums[i] + product)
        total = (total + sum(sums)).astype(np.float32)
    return total


def halves_product(a, b, most, held):
    """A B, where A is a pair whose sum is 128 times it."""
    scale = scales(b)
    (a_hi, a_lo), (b_hi, b_lo) = a, pair(b, scale)
    return unit_sum([(a_lo, b_hi), (a_hi, b_lo), (a_hi, b_hi)], most, held) / (128 * scale)


def kernel_product(entries, v, held):
    """K V with 16-bit entries, as the upper 10 and the lower 6 bits; four tiles of 16 at a time."""
    scale = scales(v)
    (upper, lower), (hi, lo) = entries, pair(v, scale)
    return unit_sum([(lower, hi), (upper, lo), (upper, hi)], 4 * TERMS, held) * (64 / 65535 / scale)


def cells(rng):
    types = rng.normal(size=(TYPES, COMPONENTS)) * rng.gamma(2, 1, size=(1, COMPONENTS))
    x = rng.dirichlet(np.full(TYPES, 0.4), size=CELLS) @ types
    x += 0.35 * np.abs(types).mean() * rng.normal(size=x.shape)
    return (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True)


def kernel(x, y):
    squares = (x * x).sum(1)[:, None] + (y * y).sum(1)[None] - 2 * x @ y.T
    return np.exp(-GAMMA * np.maximum(squares, 0))


def norm(k):
    v = np.ones(len(k))
    for _ in range(30):
        v = k @ (v / np.linalg.norm(v))
    return np.linalg.norm(v)


def solve(k, alpha, targets, precondition, product):
    """Iterations, and the norm of the true residual over what is allowed."""
    solution, residual, direction, old = np.zeros_like(targets), targets.copy(), None, None
    limit = TOLERANCE * np.sqrt((targets**2).sum(0).mean())
    for iteration in range(MOST):
        if np.linalg.norm(residual, axis=0).max() <= limit:
            break
        z = precondition(residual)
        rho = (residual * z).sum(0)
        direction = (z if direction is None else z + direction * (rho / old)).astype(np.float32)
        old, d = rho, direction.astype(np.float64)
        q = product(d) + alpha * d
        step = rho / (d * q).sum(0)
        solution += d * step
        residual = (residual - q * step).astype(np.float32).astype(np.float64)
    true = targets - (k @ solution + alpha * solution)
    return iteration, np.linalg.norm(true, axis=0).max() / limit


def main():
    rng = np.random.default_rng(0)
    x = cells(rng)
    k = kernel(x, x)
    alpha = SHARE * norm(k)
    targets = kernel(x, x[rng.choice(CELLS, 40)]) @ rng.normal(size=(40, TARGETS))
    targets += 0.5 * rng.normal(size=targets.shape)

    z = x[rng.choice(CELLS, LANDMARKS, replace=False)]
    triangle = np.linalg.cholesky(kernel(z, z) + 1e-6 * np.eye(LANDMARKS))
    f = np.linalg.solve(triangle, kernel(z, x)).T.astype(np.float32)
    inner = np.linalg.inv(alpha * np.eye(LANDMARKS) + (f.T @ f).astype(np.float64))
    halves = pair(f, 128)
    turned = tuple(part.T for part in halves)

    def preconditioner(inside, outside):
        def apply(residual):
            r = residual.astype(np.float32)
            solved = (inner @ inside(r)).astype(np.float32)
            return ((r - outside(solved)) / np.float32(alpha)).astype(np.float64)

        return apply

    def single(a):
        return lambda b: a @ b

    def on_units(a, most, held):
        return lambda b: halves_product(a, b, most, held)

    bits = np.floor(k * 65535 + 0.5).astype(np.int64)
    entries = ((bits >> 6).astype(np.float32), ((bits & 63) / 64).astype(np.float32))
    float32 = preconditioner(single(f.T), single(f))
    rows = [
        ("nothing", float32, lambda d: k @ d),
        ("products with K", float32, lambda d: kernel_product(entries, d, cut_off)),
        ("products with K, rounded", float32, lambda d: kernel_product(entries, d, rounded)),
    ]
    for most in (64, 256, 1024, 4096):
        both = preconditioner(on_units(turned, most, cut_off), on_units(halves, most, cut_off))
        rows.append((f"products with F, sums of {most}", both, lambda d: k @ d))
    rows += [
        ("F^T R", preconditioner(on_units(turned, 4096, cut_off), single(f)), lambda d: k @ d),
        ("F S", preconditioner(single(f.T), on_units(halves, 4096, cut_off)), lambda d: k @ d),
        ("products with F, rounded", preconditioner(on_units(turned, 64, rounded), on_units(halves, 64, rounded)), lambda d: k @ d),
    ]
    for name, precondition, product in rows:
        iterations, true = solve(k, alpha, targets, precondition, product)
        print(f"{name}: {iterations} iterations, true residual {true:.2f} of what is allowed", flush=True)


if __name__ == "__main__":
    main()
