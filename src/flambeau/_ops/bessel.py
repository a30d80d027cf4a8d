"""Bessel functions and Airy's, which neither NumPy nor JAX has, by Chebyshev series.

Near zero a function, freed of its logarithm, is a series in the square of its argument; far out, J and Y are
a wave whose
amplitude and phase are series in the reciprocal, K and Ai an exponential times one. The coefficients were
worked out with
40 digits and end where float64 does. None has a gradient, as in PyTorch.

Source: Abramowitz and Stegun 1964, Handbook of Mathematical Functions, 9.1, 9.2, 9.6, 9.7, 10.4.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from flambeau._core.declare import FLOATING, Array, same
from flambeau._core.dispatch import op
from flambeau._core.later import Later
from flambeau._ops.supported import supports

jss = Later("jax.scipy.special")

# fmt: off
_J0_NEAR = [
    0.15772797147489012, -0.008723442352852221, 0.2651786132033368, -0.37009499387264977, 0.15806710233209725,
    -0.034893769411408884, 0.004819180069467605, -0.00046062616620627504, 3.246032882100508e-05,
    -1.7619469077621507e-06, 7.608163592418782e-08, -2.679253530557673e-09, 7.848696314479465e-11,
    -1.9438346867370164e-12, 4.125320595634374e-14, -7.588508125447546e-16, 1.2218515873961411e-17,
]
_J1_NEAR = [
    0.08104484632565812, -0.1489751450676521, 0.1609992623572097, -0.08268049176681791, 0.022213639654966037,
    -0.003646940600769276, 0.0004050337728354822, -3.255554866857259e-05, 1.9858774049915165e-06,
    -9.521984756750436e-08, 3.687133759097148e-09, -1.178026622695885e-10, 3.160154580348003e-12,
    -7.221755239651773e-14, 1.4232144003513942e-15, -2.4441972916190464e-17,
]
_Y0_NEAR = [
    0.03645469809116044, -0.2783237094075825, 0.2960499990207148, 0.09825508408187864, -0.10755155280627783,
    0.031799074084414514, -0.005161397105810715, 0.0005498525320039012, -4.1996983149420134e-05,
    2.4290361107923793e-06, -1.1049969793472957e-07, 4.06651736597911e-09, -1.2374148898289854e-10,
    3.1685725528945945e-12, -6.926956032431002e-14, 1.3086308625876684e-15, -2.1586201986914482e-17,
]
_Y1_NEAR = [
    0.038300769852423776, -0.08182561412732826, -0.0248677076121964, 0.047967452752746984,
    -0.01852588451089802, 0.003680607687823511, -0.0004627254060293369, 4.06940026958087e-05,
    -2.6617695125295625e-06, 1.350602691325434e-07, -5.483524110336276e-09, 1.8245086841229007e-10,
    -5.070666636591129e-12, 1.1956162517587948e-13, -2.423162442712473e-15, 4.268126513072962e-17,
]
_P0_FAR = [
    0.9994603493475187, -0.0005365220468132117, 3.0751847875194745e-06, -5.1705945376060975e-08,
    1.6306464635151382e-09, -7.86409137723707e-11, 5.168262387349193e-12, -4.3045788699253914e-13,
    4.3265957431549404e-14, -5.069034095935236e-15, 6.748072215733873e-16, -1.0011513723467786e-16,
    1.6305919233744186e-17,
]
_Q0_FAR = [
    -0.12444683684269607, 0.0005470815954089319, -5.9315987288485175e-06, 1.4377965798375193e-07,
    -5.817532749493056e-09, 3.376097523734991e-10, -2.565397936797308e-11, 2.404916100281365e-12,
    -2.6690625482579414e-13, 3.4041800321963686e-14, -4.87994410531204e-15, 7.729703176242605e-16,
    -1.3348852171502517e-16, 2.4865952389390515e-17, -4.952892629886516e-18,
]
_P1_FAR = [
    1.0009030408600137, 0.0008989898330859408, -3.987284300488908e-06, 6.177633960644299e-08,
    -1.8718907491063067e-09, 8.816898659582339e-11, -5.704863640395645e-12, 4.699195515230542e-13,
    -4.6842237839904895e-14, 5.452674896044717e-15, -7.221180842274018e-16, 1.0667689114335412e-16,
    -1.7312313216116335e-17,
]
_Q1_FAR = [
    0.3742222965562826, -0.0007702178839325664, 7.3108922063643636e-06, -1.676782510726674e-07,
    6.583354662120443e-09, -3.749090950541556e-10, 2.8121750359748866e-11, -2.61145253946232e-12,
    2.8774212663332235e-13, -3.649001916061838e-14, 5.206626366226707e-15, -8.215318025458595e-16,
    1.4141084390211833e-16, -2.626761589838529e-17, 5.2192649196714085e-18,
]
_K0_NEAR = [
    -0.2676636966169514, 0.3442898999246285, 0.0359799365153615, 0.001264615411446926, 2.286212103119452e-05,
    2.5347910790261494e-07, 1.904516377220209e-09, 1.0349695257633625e-11, 4.2598161427910826e-14,
    1.3744654358807508e-16,
]
_K1_NEAR = [
    -0.06409034516866254, -0.10916919599320105, -0.006636878452817714, -0.00016822792382067343,
    -2.389559180803608e-06, -2.1853569024549695e-08, -1.3982271326113327e-10, -6.618562752976041e-13,
    -2.4134516242987822e-15, -6.990873731242567e-18,
]
_K0_FAR = [
    1.2201515410329777, -0.0314481013119645, 0.0015698838857300533, -0.00012849549581627802,
    1.39498137188765e-05, -1.8317555227191195e-06, 2.766813639445015e-07, -4.660489897687948e-08,
    8.574034017414225e-09, -1.6975345093890614e-09, 3.5773972814003283e-10, -7.957489244477396e-11,
    1.8559491149549264e-11, -4.514597883374519e-12, 1.1403405882073441e-12, -2.9800969231481784e-13,
    8.032890775068375e-14, -2.2275133267462965e-14, 6.340076476276646e-15, -1.848593377920907e-15,
    5.5120559994043335e-16, -1.6782311257549006e-16, 5.2103917776435543e-17, -1.6475805939842632e-17,
]
_K1_FAR = [
    1.3603130952422213, 0.10392373657681724, -0.002857816859622779, 0.00019521551847135162,
    -1.936197974166083e-05, 2.406484947837217e-06, -3.5019606030878126e-07, 5.7410841254500495e-08,
    -1.0345762465678097e-08, 2.0150497551970347e-09, -4.1903547593419254e-10, 9.218315187605315e-11,
    -2.129967838427791e-11, 5.139639673482343e-12, -1.2891739609498229e-12, 3.348419666052243e-13,
    -8.976705182010146e-14, 2.4771544242195988e-14, -7.0198370892147685e-15, 2.038703166239861e-15,
    -6.057047270643018e-16, 1.8380935752430455e-16, -5.689462849193648e-17, 1.7940510478863572e-17,
]
_AI_MIDDLE = [
    0.12867299259029474, -0.04750395926521983, -0.03877788664733245, -0.20337060929975292,
    0.21911545571917185, 0.028945154570816586, -0.14827032754997924, 0.07322920945157495,
    0.011326328543215936, -0.02526594247971198, 0.008511689823621821, 0.0014610147129876995,
    -0.0020150540831383843, 0.0005097951787421652, 9.698935355110265e-05, -9.393410315284266e-05,
    1.8649105525759857e-05, 3.937276424454801e-06, -2.8776745465022035e-06, 4.5927927448389323e-07,
    1.0787256413527394e-07, -6.237942403718207e-08, 8.112323734266485e-09, 2.1289040155256437e-09,
    -1.0071685389286283e-09, 1.0741286805805443e-10, 3.1704285740543844e-11, -1.2579294137237558e-11,
    1.1008786658217963e-12, 3.689384961512489e-13, -1.2512608945366985e-13, 8.941595232488016e-15,
    3.447228926538655e-15, -1.0144190497971683e-15, 5.852670209921047e-17, 2.6431619888126698e-17,
    -6.8302197028930324e-18,
]
_AI_RIGHT = [
    0.9909253278629121, -0.008787979198916314, 0.0002708640061605207, -1.46317247353397e-05,
    1.0852260208359393e-06, -9.972552056312785e-08, 1.0739090386447278e-08, -1.309259653125608e-09,
    1.765607635969083e-10, -2.5904351203535138e-11, 4.084102938847913e-12, -6.853850259533148e-13,
    1.2151224622938065e-13, -2.2621141137901326e-14, 4.399957412572512e-15, -8.904529694172307e-16,
    1.868404039422278e-16, -4.052458927104195e-17,
]
_AI_LEFT_P = [
    0.9996723415461005, -0.0003255483561055322, 2.069745155969119e-06, -3.890961736474424e-08,
    1.3645959446950337e-09, -7.265563438866682e-11, 5.234675629062907e-12, -4.749669415821452e-13,
    5.172156139604189e-14, -6.533725295545284e-15, 9.33927407277721e-16, -1.4823330512580455e-16,
    2.5745988399644002e-17,
]
_AI_LEFT_Q = [
    0.06911528040160503, -0.0003251060364586695, 3.945977743866323e-06, -1.068929090514341e-07,
    4.800334718951617e-09, -3.0691067169997637e-10, 2.5517594369013928e-11, -2.601606731752434e-12,
    3.123666855119186e-13, -4.2903251712839485e-14, 6.596710595977435e-15, -1.116833216041688e-15,
    2.0551350158850327e-16, -4.0680056098438254e-17, 8.589182631392619e-18, -1.921018818902054e-18,
]
# fmt: on


def _series(coefficients: list[float], x: Any, low: float, high: float) -> Any:
    """The sum of a Chebyshev series on `[low, high]` (Clenshaw's recurrence)."""
    t = (2 * x - (low + high)) / (high - low)
    after = afterwards = 0 * t
    for coefficient in reversed(coefficients[1:]):
        after, afterwards = 2 * t * after - afterwards + coefficient, after
    return t * after - afterwards + coefficients[0]


def _declare(name: str, formula: Callable[[Any, Any], Any], doc: str) -> None:
    """Declares a function of one real element, computed in float64."""

    def body(xp: Any, input: Array) -> Array:
        return formula(xp, input.astype(np.float64)).astype(input.dtype)

    body.__name__, body.__doc__ = name, doc
    op(
        f"special.{name}", out=True, promote=FLOATING, shape=same, pointwise=True, differentiable=False,
        dtypes=supports("bif", f"{name}_cpu"),
    )(body)  # fmt: skip


# -- first and second kind -------------------------------------------------------------------------


def _wave(xp: Any, x: Any, order: int, second: bool) -> Any:
    """J or Y for x of at least 8: amplitude, and the sine or cosine of the shifted argument."""
    z = (8 / x) ** 2
    p = _series((_P0_FAR, _P1_FAR)[order], z, 0, 1)
    q = _series((_Q0_FAR, _Q1_FAR)[order], z, 0, 1) / x
    angle = x - math.pi * (2 * order + 1) / 4
    sine, cosine = xp.sin(angle), xp.cos(angle)
    return xp.sqrt(2 / (math.pi * x)) * (p * sine + q * cosine if second else p * cosine - q * sine)


def _j0_near(x: Any) -> Any:
    return _series(_J0_NEAR, x * x, 0, 64)


def _j1_near(x: Any) -> Any:
    return _series(_J1_NEAR, x * x, 0, 64) * x


def _j0(xp: Any, x: Any) -> Any:
    size = xp.abs(x)
    near, far = xp.minimum(size, 8), xp.maximum(size, 8)
    return xp.where(size <= 8, _j0_near(near), _wave(xp, far, 0, second=False))


def _j1(xp: Any, x: Any) -> Any:
    size = xp.abs(x)
    near, far = xp.minimum(size, 8), xp.maximum(size, 8)
    return xp.sign(x) * xp.where(size <= 8, _j1_near(near), _wave(xp, far, 1, second=False))


def _below_zero(xp: Any, x: Any, found: Any, at_zero: float) -> Any:
    """What functions with a logarithm are at zero and below."""
    return xp.where(x == 0, at_zero, xp.where(x < 0, np.nan, found))


def _y0(xp: Any, x: Any) -> Any:
    near, far = xp.clip(x, 1e-300, 8), xp.maximum(x, 8)
    inner = _series(_Y0_NEAR, near * near, 0, 64) + 2 / math.pi * xp.log(near / 2) * _j0_near(near)
    return _below_zero(xp, x, xp.where(x <= 8, inner, _wave(xp, far, 0, second=True)), -np.inf)


def _y1(xp: Any, x: Any) -> Any:
    near, far = xp.clip(x, 1e-300, 8), xp.maximum(x, 8)
    logarithm = xp.log(near / 2) * _j1_near(near)
    inner = _series(_Y1_NEAR, near * near, 0, 64) * near + 2 / math.pi * (logarithm - 1 / near)
    return _below_zero(xp, x, xp.where(x <= 8, inner, _wave(xp, far, 1, second=True)), -np.inf)


def _spherical_j0(xp: Any, x: Any) -> Any:
    safe = xp.where(x == 0, 1, x)
    return xp.where(x == 0, 1, xp.where(xp.isinf(x), 0, xp.sin(safe) / safe))


_declare("bessel_j0", _j0, "Bessel's function of the first kind and order 0.")
_declare("bessel_j1", _j1, "Bessel's function of the first kind and order 1.")
_declare("bessel_y0", _y0, "Bessel's function of the second kind and order 0.")
_declare("bessel_y1", _y1, "Bessel's function of the second kind and order 1.")
_declare("spherical_bessel_j0", _spherical_j0, "The spherical Bessel function of the first kind and order 0.")

# -- modified --------------------------------------------------------------------------------------


def _i0_small(x: Any) -> Any:
    """I0 for x up to 2, from its power series."""
    term = total = 1 + 0 * x
    for k in range(1, 16):
        term = term * (x * x / 4) / (k * k)
        total = total + term
    return total


def _i1_small(x: Any) -> Any:
    term = total = x / 2
    for k in range(1, 16):
        term = term * (x * x / 4) / (k * (k + 1))
        total = total + term
    return total


def _k(xp: Any, x: Any, order: int, scaled: bool) -> Any:
    near, far = xp.clip(x, 1e-300, 2), xp.maximum(x, 2)
    if order == 0:
        inner = _series(_K0_NEAR, near * near, 0, 4) - xp.log(near / 2) * _i0_small(near)
    else:
        inner = _series(_K1_NEAR, near * near, 0, 4) * near + xp.log(near / 2) * _i1_small(near) + 1 / near
    outer = _series((_K0_FAR, _K1_FAR)[order], 2 / far, 0, 1) / xp.sqrt(far)
    found = (
        xp.where(x <= 2, inner * xp.exp(near), outer)
        if scaled
        else xp.where(x <= 2, inner, outer * xp.exp(-far))
    )
    return _below_zero(xp, x, found, np.inf)


def _of_jax(name: str) -> Callable[[Any], Any]:
    def body(input: Array) -> Array:
        return getattr(jss, name)(input)

    return body


for _name in ("modified_bessel_i0", "modified_bessel_i1"):
    _body = _of_jax(_name[-2:])
    _body.__name__, _body.__doc__ = (
        _name,
        f"The modified Bessel function of the first kind and order {_name[-1]}.",
    )
    op(
        f"special.{_name}", out=True, promote=FLOATING, shape=same, pointwise=True, differentiable=False,
        dtypes=supports("bif", f"{_name}_cpu"),
    )(_body)  # fmt: skip

_declare(
    "modified_bessel_k0", lambda xp, x: _k(xp, x, 0, False), "The modified Bessel function K of order 0."
)
_declare(
    "modified_bessel_k1", lambda xp, x: _k(xp, x, 1, False), "The modified Bessel function K of order 1."
)
_declare(
    "scaled_modified_bessel_k0", lambda xp, x: _k(xp, x, 0, True), "`exp(input) * modified_bessel_k0(input)`."
)
_declare(
    "scaled_modified_bessel_k1", lambda xp, x: _k(xp, x, 1, True), "`exp(input) * modified_bessel_k1(input)`."
)

# -- Airy ------------------------------------------------------------------------------------------


def _airy(xp: Any, x: Any) -> Any:
    middle = _series(_AI_MIDDLE, xp.clip(x, -5, 3), -5, 3)
    right, left = xp.clip(x, 3, 200), xp.maximum(-x, 5)
    zeta = 2 / 3 * right * xp.sqrt(right)
    decay = _series(_AI_RIGHT, 2 / 3 * 3**1.5 / zeta, 0, 1) * xp.exp(-zeta)
    beyond = decay / (2 * math.sqrt(math.pi) * xp.sqrt(xp.sqrt(right)))
    phase = 2 / 3 * left * xp.sqrt(left)
    v = (2 / 3 * 5**1.5 / phase) ** 2
    p, q = _series(_AI_LEFT_P, v, 0, 1), _series(_AI_LEFT_Q, v, 0, 1) / phase
    angle = phase - math.pi / 4
    before = (p * xp.cos(angle) + q * xp.sin(angle)) / (math.sqrt(math.pi) * xp.sqrt(xp.sqrt(left)))
    found = xp.where(x > 3, beyond, xp.where(x < -5, before, middle))
    return xp.where(xp.isinf(x), np.nan, found)


_declare("airy_ai", _airy, "Airy's function Ai.")
