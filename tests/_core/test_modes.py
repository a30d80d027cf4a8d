"""Grad mode and inference mode: contexts, decorators, generators, classes, threads."""

from __future__ import annotations

import threading

from side_by_side import compared


@compared
def test_contexts_nest(torch, log):
    x = torch.ones(2, requires_grad=True)
    with torch.no_grad():
        y = x * 2
        log(y.requires_grad, torch.is_grad_enabled())
        with torch.enable_grad():
            log((x * 2).requires_grad)
        with torch.set_grad_enabled(True):
            log((x * 2).requires_grad)
        log(torch.is_grad_enabled())
    log(torch.is_grad_enabled())
    with torch.set_grad_enabled(False):
        log((x * 2).requires_grad)
    torch.set_grad_enabled(False)
    log((x * 2).requires_grad)
    torch.set_grad_enabled(True)
    log((x * 2).requires_grad)
    log(torch.no_grad().__class__.__name__, repr(torch.set_grad_enabled(True)).rpartition(".")[2])


@compared
def test_context_is_left_when_an_error_passes(torch, log):
    try:
        with torch.no_grad():
            raise ValueError
    except ValueError:
        log(torch.is_grad_enabled())
    context = torch.no_grad()
    with context:
        with context:
            pass
        log(torch.is_grad_enabled())
    log(torch.is_grad_enabled())
    torch.set_grad_enabled(True)


@compared
def test_decorators(torch, log):
    x = torch.ones(2, requires_grad=True)

    @torch.no_grad()
    def one():
        return x * 2

    @torch.no_grad
    def two():
        """Says something."""
        return x * 2

    @torch.enable_grad()
    def three():
        return x * 2

    @torch.set_grad_enabled(False)
    def four():
        return x * 2

    @torch.inference_mode()
    def five():
        return x * 2

    @torch.inference_mode
    def six():
        return x * 2

    @torch.inference_mode(False)
    def seven():
        return x * 2

    log([f().requires_grad for f in (one, two, three, four, five, six, seven)])
    log([f().is_inference() for f in (one, two, three, four, five, six, seven)])
    log(two.__name__, two.__doc__, torch.is_grad_enabled())
    with torch.no_grad():
        log([f().requires_grad for f in (one, three)])
    log(torch.no_grad(lambda: x * 2)().requires_grad)


@compared
def test_methods_and_recursion(torch, log):
    class Model:
        def __init__(self):
            self.w = torch.ones(2, requires_grad=True)

        @torch.no_grad()
        def predict(self, n):
            return self.w if n == 0 else self.predict(n - 1) * 2

    log(Model().predict(3).requires_grad, torch.is_grad_enabled())


@compared
def test_generators(torch, log):
    @torch.no_grad()
    def numbers():
        try:
            while True:
                got = yield torch.is_grad_enabled()
                log("inside", torch.is_grad_enabled(), got)
        except ValueError:
            log("caught", torch.is_grad_enabled())
            yield "last"
        finally:
            log("finally", torch.is_grad_enabled())
        return 3

    g = numbers()
    log(next(g), torch.is_grad_enabled())
    log(g.send("hello"), torch.is_grad_enabled())
    log(g.throw(ValueError("x")))
    log.first_line(lambda: next(g))

    h = numbers()
    next(h)
    h.close()
    log(torch.is_grad_enabled())


@compared
def test_classes(torch, log):
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")

        @torch.no_grad()
        class Thing:
            def __init__(self):
                self.enabled = torch.is_grad_enabled()

            def later(self):
                return torch.is_grad_enabled()

    log(Thing().enabled, Thing().later())


@compared
def test_inference_mode(torch, log):
    x = torch.ones(2, requires_grad=True)
    plain = torch.ones(2)
    with torch.inference_mode():
        log(torch.is_inference_mode_enabled(), torch.is_grad_enabled())
        y = x * 2
        z = torch.zeros(2)
        v = plain.view(2, 1)
        log(
            y.requires_grad, y.is_inference(), z.is_inference(), v.is_inference(), y.view(2, 1).is_inference()
        )
        plain.add_(1)
        y.add_(1)
        with torch.inference_mode(False):
            log(torch.is_grad_enabled(), (x * 2).requires_grad, torch.ones(1).is_inference())
    log(torch.is_inference_mode_enabled())
    log.first_line(lambda: y * x)
    log.first_line(lambda: (y + x).requires_grad)
    log.first_line(lambda: y.add_(1))
    log.first_line(lambda: y.requires_grad_())
    log.first_line(lambda: y._version)
    log.first_line(lambda: (y * 2).is_inference())
    log(y.clone().is_inference(), (y.clone() * x).requires_grad)
    with torch.no_grad():
        log.first_line(lambda: y.add_(1))
    log(plain, plain.requires_grad)
    log.first_line(lambda: y.view(2, 1).is_inference())
    log(torch.is_inference(y), torch.is_inference(plain))


@compared
def test_each_thread_has_its_own_mode(torch, log):
    found = []

    def look():
        found.append(torch.is_grad_enabled())
        torch.set_grad_enabled(False)

    with torch.no_grad():
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
    log(found, torch.is_grad_enabled())


@compared
def test_requires_grad_of_new_tensors_within_no_grad(torch, log):
    with torch.no_grad():
        x = torch.ones(2, requires_grad=True)
        y = torch.nn.Parameter(torch.ones(2))
        log(
            x.requires_grad,
            y.requires_grad,
            x.clone().requires_grad,
            x.view(2).requires_grad,
            x[0].requires_grad,
        )
        x += 1
        x.mul_(2)
    log(x, (x * 2).requires_grad)
    (x * 2).sum().backward()
    log(x.grad)
