"""Learning rate schedulers, side by side with PyTorch's: equal to the last digit."""

import copy
import gc
import importlib
import pickle
import weakref

import pytest
from side_by_side import assert_same

import flambeau

STEPS = 50


class Falling:
    """A factor that is an object: its attributes go into state dicts."""

    def __init__(self, rate=0.9):
        self.rate = rate

    def __call__(self, epoch):
        return self.rate**epoch


def falling(epoch):
    return 0.9**epoch


def optimizer(torch, name="SGD", initial=None, lr=0.1):
    """Two groups with rates of their own."""
    groups = [
        {"params": [torch.nn.Parameter(torch.ones(1))], "lr": lr},
        {"params": [torch.nn.Parameter(torch.ones(1))], "lr": lr * 2},
    ]
    if initial is not None:
        for group in groups:
            group["initial_lr"] = initial
    return getattr(torch.optim, name)(groups, **({"momentum": 0.9} if name == "SGD" else {}))


def module(torch):
    return importlib.import_module(f"{torch.__name__}.optim.lr_scheduler")


SCHEDULERS = {
    "LambdaLR": lambda s, o: s.LambdaLR(o, falling),
    "LambdaLR, two": lambda s, o: s.LambdaLR(o, [falling, Falling(0.8)]),
    "MultiplicativeLR": lambda s, o: s.MultiplicativeLR(o, lambda epoch: 0.9),
    "MultiplicativeLR, two": lambda s, o: s.MultiplicativeLR(o, (falling, Falling(0.99))),
    "StepLR": lambda s, o: s.StepLR(o, 7, gamma=0.3),
    "MultiStepLR": lambda s, o: s.MultiStepLR(o, [30, 3, 3, 9], gamma=0.7),
    "ConstantLR": lambda s, o: s.ConstantLR(o, factor=0.3, total_iters=10),
    "ConstantLR, none": lambda s, o: s.ConstantLR(o, total_iters=0),
    "LinearLR": lambda s, o: s.LinearLR(o, total_iters=20),
    "LinearLR, down": lambda s, o: s.LinearLR(o, 0.9, 0.1, total_iters=13),
    "LinearLR, none": lambda s, o: s.LinearLR(o, total_iters=0),
    "ExponentialLR": lambda s, o: s.ExponentialLR(o, gamma=0.93),
    "PolynomialLR": lambda s, o: s.PolynomialLR(o, total_iters=30, power=1.7),
    "CosineAnnealingLR": lambda s, o: s.CosineAnnealingLR(o, T_max=7, eta_min=0.01),
    "CosineAnnealingLR, odd": lambda s, o: s.CosineAnnealingLR(o, T_max=2.5),
    "CosineAnnealingWarmRestarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 7, eta_min=0.001),
    "CosineAnnealingWarmRestarts, longer": lambda s, o: s.CosineAnnealingWarmRestarts(o, 3, T_mult=2),
    "CyclicLR": lambda s, o: s.CyclicLR(o, 0.01, 0.1, step_size_up=6, step_size_down=4),
    "CyclicLR, triangular2": lambda s, o: s.CyclicLR(
        o, [0.01, 0.02], [0.1, 0.3], 5, mode="triangular2", base_momentum=[0.7, 0.6], max_momentum=[0.8, 0.9]
    ),
    "CyclicLR, exp_range": lambda s, o: s.CyclicLR(o, 0.01, 0.1, 5, mode="exp_range", gamma=0.97),
    "CyclicLR, function": lambda s, o: s.CyclicLR(o, 0.01, 0.1, 5, scale_fn=falling, cycle_momentum=False),
    "CyclicLR, object": lambda s, o: s.CyclicLR(o, 0.01, 0.1, 5, scale_fn=Falling(), scale_mode="iterations"),
    "OneCycleLR": lambda s, o: s.OneCycleLR(o, 0.5, total_steps=60),
    "OneCycleLR, linear": lambda s, o: s.OneCycleLR(
        o, [0.5, 0.7], epochs=6, steps_per_epoch=10, anneal_strategy="linear", pct_start=0.4, three_phase=True
    ),
    "OneCycleLR, momenta": lambda s, o: s.OneCycleLR(
        o, 0.5, 60, base_momentum=[0.7, 0.8], max_momentum=(0.9, 0.99), div_factor=3, final_div_factor=7
    ),
    "OneCycleLR, no momentum": lambda s, o: s.OneCycleLR(o, 0.5, 60, cycle_momentum=False, pct_start=1.0),
    "SequentialLR": lambda s, o: s.SequentialLR(
        o, [s.ConstantLR(o, 0.1, 5), s.ExponentialLR(o, 0.9), s.StepLR(o, 4)], [6, 20]
    ),
    "SequentialLR, warm-up": lambda s, o: s.SequentialLR(
        o, [s.LinearLR(o, 0.01, total_iters=5), s.CosineAnnealingLR(o, 20)], [5]
    ),
    "SequentialLR, restarts": lambda s, o: s.SequentialLR(
        o, [s.LinearLR(o, 0.01, total_iters=5), s.CosineAnnealingWarmRestarts(o, 8)], [5]
    ),
    "SequentialLR, one cycle": lambda s, o: s.SequentialLR(
        o, [s.LinearLR(o, 0.01, total_iters=5), s.OneCycleLR(o, 0.5, 60)], [5]
    ),
    "SequentialLR, nothing first": lambda s, o: s.SequentialLR(
        o, [s.ConstantLR(o, 0.1, 5), s.ExponentialLR(o, 0.9)], [0]
    ),
    "SequentialLR, nested": lambda s, o: s.SequentialLR(
        o,
        [s.SequentialLR(o, [s.ConstantLR(o, 0.5, 2), s.ExponentialLR(o, 0.9)], [2]), s.StepLR(o, 4)],
        [9],
    ),
    "ChainedScheduler": lambda s, o: s.ChainedScheduler(
        [s.ConstantLR(o, 0.1, 5), s.ExponentialLR(o, 0.9)], optimizer=o
    ),
    "ChainedScheduler, nested": lambda s, o: s.SequentialLR(
        o, [s.ChainedScheduler([s.ConstantLR(o, 0.5, 2), s.ExponentialLR(o, 0.9)]), s.StepLR(o, 2)], [5]
    ),
    "ReduceLROnPlateau": lambda s, o: s.ReduceLROnPlateau(o, factor=0.5, patience=2),
    "ReduceLROnPlateau, max": lambda s, o: s.ReduceLROnPlateau(
        o, "max", 0.3, patience=1, threshold_mode="abs", threshold=0.05, cooldown=2, min_lr=[1e-3, 1e-4]
    ),
    "ReduceLROnPlateau, abs": lambda s, o: s.ReduceLROnPlateau(
        o, patience=0, threshold_mode="abs", threshold=0.05, eps=0.01, min_lr=(0.01, 0.02)
    ),
}
SIMPLE = {name: make for name, make in SCHEDULERS.items() if "," not in name and name != "ReduceLROnPlateau"}


def run(torch, optimizer, schedule, log, steps=STEPS):
    plateau = isinstance(schedule, module(torch).ReduceLROnPlateau)
    for number in range(steps):
        optimizer.step()
        schedule.step(*([1.0 / (1 + number // 6)] if plateau else []))
        log(schedule.get_last_lr())
        log(
            [
                {name: value for name, value in group.items() if name != "params"}
                for group in optimizer.param_groups
            ]
        )


def plain(state):
    """A state dict without what differs in name alone: functions."""
    return {name: value for name, value in state.items() if name != "_scale_fn_ref"}


@pytest.mark.filterwarnings("ignore:Detected call of")  # within nested ones
@pytest.mark.parametrize("kind", ["SGD", "Adam"])
@pytest.mark.parametrize("name", SCHEDULERS)
def test_fifty_steps(name, kind):
    def scenario(torch, log):
        target = optimizer(torch, kind)
        schedule = SCHEDULERS[name](module(torch), target)
        log(schedule.get_last_lr(), plain(schedule.state_dict()))
        run(torch, target, schedule, log)
        log(plain(schedule.state_dict()), list(schedule.state_dict()))

    assert_same(scenario)


@pytest.mark.filterwarnings("ignore:Detected call of")  # within nested ones
@pytest.mark.parametrize("name", SCHEDULERS)
def test_saved_and_resumed(name):
    def scenario(torch, log):
        target = optimizer(torch)
        schedule = SCHEDULERS[name](module(torch), target)
        run(torch, target, schedule, log, 17)
        states = pickle.loads(pickle.dumps((target.state_dict()["param_groups"], schedule.state_dict())))
        again = optimizer(torch)
        restored = SCHEDULERS[name](module(torch), again)
        again.load_state_dict({"state": {}, "param_groups": states[0]})
        log(restored.load_state_dict(states[1]), plain(states[1]))
        run(torch, again, restored, log, 17)

    assert_same(scenario)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", SIMPLE)
def test_rates_that_are_tensors_stay_the_same_tensors(name, dtype):
    def scenario(torch, log):
        target = optimizer(torch, lr=torch.tensor(0.1, dtype=getattr(torch, dtype)))
        rate = target.param_groups[0]["lr"]
        schedule = SCHEDULERS[name](module(torch), target)
        for _ in range(12):
            target.step()
            schedule.step()
            log([float(rate) for rate in schedule.get_last_lr()])
            log([str(rate.dtype) for rate in schedule.get_last_lr()])
        log(target.param_groups[0]["lr"] is rate, schedule.get_last_lr()[0] is rate)

    assert_same(scenario, 1e-6)


@pytest.mark.parametrize("epoch", [0, 1, 4, 5, 11])
@pytest.mark.parametrize(
    "name", [name for name in SIMPLE if not name.startswith(("OneCycle", "Sequential", "Chained"))]
)
def test_started_at_a_later_epoch(name, epoch):
    def scenario(torch, log):
        scheduler = module(torch)
        original = getattr(scheduler, name)

        class Later(original):
            def __init__(self, *args, **options):
                super().__init__(*args, **options, last_epoch=epoch)

        namespace = {name: Later}
        target = optimizer(torch, initial=1.0)
        schedule = SCHEDULERS[name](type("Namespace", (), namespace), target)
        log(schedule.get_last_lr(), schedule.last_epoch)
        for _ in range(10):
            target.step()
            schedule.step()
            log(schedule.get_last_lr())

    assert_same(scenario)


@pytest.mark.parametrize("name", [name for name in SIMPLE if not name.startswith(("Sequential", "Chained"))])
def test_steps_to_given_epochs(name):
    def scenario(torch, log):
        target = optimizer(torch)
        schedule = SCHEDULERS[name](module(torch), target)
        target.step()
        for epoch in [0, 1, 2, 5, 4, 9, 20, None, 3, None]:
            log.result(lambda epoch=epoch: schedule.step(epoch))
            log(schedule.last_epoch, schedule.get_last_lr())

    assert_same(scenario)


def test_fractions_of_epochs():
    def scenario(torch, log):
        for factor in (1, 2):
            schedule = module(torch).CosineAnnealingWarmRestarts(optimizer(torch), 5, factor)
            for epoch in [0.5, 1.3, 5, 5.5, 14.9, 15, None, None, 3, None, 16.7, None]:
                schedule.step(epoch)
                log(schedule.T_cur, schedule.T_i, schedule.last_epoch, schedule.get_last_lr())
            log.result(lambda schedule=schedule: schedule.step(-1))

    assert_same(scenario)


def test_order_of_steps():
    def scenario(torch, log):
        s = module(torch)
        target = optimizer(torch)
        log.result(lambda: s.StepLR(target, 2).step())
        target = optimizer(torch)
        schedule = s.StepLR(target, 2)
        target.step()
        log.result(schedule.step)
        target = optimizer(torch)
        schedule = s.StepLR(target, 2)
        target.step = lambda: None
        log.result(schedule.step)
        log.result(schedule.step)
        target = optimizer(torch)
        both = s.ChainedScheduler([s.ConstantLR(target), s.ExponentialLR(target, 0.9)])
        log.result(both.step)
        target = optimizer(torch)
        log.result(s.SequentialLR(target, [s.ConstantLR(target), s.ExponentialLR(target, 0.9)], [2]).step)

    assert_same(scenario)


@pytest.mark.parametrize("name", SIMPLE)
def test_get_lr_outside_of_a_step(name):
    if name in ("SequentialLR", "ChainedScheduler"):
        pytest.skip("has no get_lr")

    def scenario(torch, log):
        schedule = SCHEDULERS[name](module(torch), optimizer(torch))
        log.result(schedule.get_lr)

    assert_same(scenario)


ERRORS = [
    lambda s, o: s.StepLR(3, 1),
    lambda s, o: s.StepLR(o, 1, last_epoch=3),
    lambda s, o: s.StepLR(o, 0),
    lambda s, o: s.StepLR(o, 1, verbose=True),
    lambda s, o: s.LambdaLR(o, [falling]),
    lambda s, o: s.MultiplicativeLR(o, [falling]),
    lambda s, o: s.ConstantLR(o, -0.1),
    lambda s, o: s.ConstantLR(o, 1.1),
    lambda s, o: s.LinearLR(o, 0),
    lambda s, o: s.LinearLR(o, 1.1),
    lambda s, o: s.LinearLR(o, 0.5, -0.1),
    lambda s, o: s.LinearLR(o, 0.5, 1.1),
    lambda s, o: s.CosineAnnealingLR(o, 0),
    lambda s, o: s.CosineAnnealingWarmRestarts(o, 0),
    lambda s, o: s.CosineAnnealingWarmRestarts(o, 1.5),
    lambda s, o: s.CosineAnnealingWarmRestarts(o, 1, 0),
    lambda s, o: s.CosineAnnealingWarmRestarts(o, 1, 1, "x"),
    lambda s, o: s.CyclicLR(3, 0.1, 0.2),
    lambda s, o: s.CyclicLR(o, 0.1, 0.2, mode="x"),
    lambda s, o: s.CyclicLR(o, [0.1], 0.2),
    lambda s, o: s.CyclicLR(o, 0.1, [0.2]),
    lambda s, o: s.CyclicLR(o, 0.1, 0.2, base_momentum=[0.1]),
    lambda s, o: s.CyclicLR(o, 0.1, 0.2, max_momentum=[0.1]),
    lambda s, o: s.OneCycleLR(3, 0.1, 10),
    lambda s, o: s.OneCycleLR(o, 0.1),
    lambda s, o: s.OneCycleLR(o, 0.1, 0),
    lambda s, o: s.OneCycleLR(o, 0.1, 1.5),
    lambda s, o: s.OneCycleLR(o, 0.1, epochs=2),
    lambda s, o: s.OneCycleLR(o, 0.1, epochs=0, steps_per_epoch=2),
    lambda s, o: s.OneCycleLR(o, 0.1, epochs=2, steps_per_epoch=-2),
    lambda s, o: s.OneCycleLR(o, 0.1, 10, pct_start=2.0),
    lambda s, o: s.OneCycleLR(o, 0.1, 10, pct_start=1),
    lambda s, o: s.OneCycleLR(o, 0.1, 10, anneal_strategy="x"),
    lambda s, o: s.OneCycleLR(o, [0.1], 10),
    lambda s, o: s.OneCycleLR(o, 0.1, 10, max_momentum=[0.1]),
    lambda s, o: s.OneCycleLR(o, 0.1, 10, base_momentum=[0.1]),
    lambda s, o: s.OneCycleLR(o, 0.1, 10, last_epoch=2),
    lambda s, o: [s.OneCycleLR(o, 0.1, 2).step() for _ in [0]] + [o.step()],
    lambda s, o: s.SequentialLR(o, [], []),
    lambda s, o: s.SequentialLR(o, [s.ConstantLR(o)], [1]),
    lambda s, o: s.SequentialLR(o, [s.ConstantLR(o), 3], [1]),
    lambda s, o: s.SequentialLR(o, [s.ConstantLR(o), s.ReduceLROnPlateau(o)], [1]),
    lambda s, o: s.SequentialLR(copy.copy(o), [s.ConstantLR(o), s.ConstantLR(o)], [1]),
    lambda s, o: s.ChainedScheduler([]),
    lambda s, o: s.ChainedScheduler([s.ConstantLR(o), 3]),
    lambda s, o: s.ChainedScheduler([s.ConstantLR(o), s.ReduceLROnPlateau(o)]),
    lambda s, o: s.ChainedScheduler([s.ConstantLR(o)], copy.copy(o)),
    lambda s, o: s.ReduceLROnPlateau(3),
    lambda s, o: s.ReduceLROnPlateau(o, factor=1.0),
    lambda s, o: s.ReduceLROnPlateau(o, mode="x"),
    lambda s, o: s.ReduceLROnPlateau(o, threshold_mode="x"),
    lambda s, o: s.ReduceLROnPlateau(o, min_lr=[1]),
    lambda s, o: s.ReduceLROnPlateau(o).step(),
    lambda s, o: s.ReduceLROnPlateau(o).step(None),
    lambda s, o: s.ReduceLROnPlateau(o).step("x"),
    lambda s, o: s.ReduceLROnPlateau(o).step(1.0, epoch=3),
    lambda s, o: s.ReduceLROnPlateau(o).load_state_dict({"mode": "x"}),
]


@pytest.mark.parametrize("number", range(len(ERRORS)))
def test_errors(number):
    assert_same(lambda torch, log: log.result(lambda: ERRORS[number](module(torch), optimizer(torch))))


def test_too_many_steps_of_one_cycle():
    def scenario(torch, log):
        target = optimizer(torch)
        schedule = module(torch).OneCycleLR(target, 0.1, 3)
        for _ in range(4):
            target.step()
            log.result(schedule.step)

    assert_same(scenario)


def test_groups_added_later():
    def scenario(torch, log):
        s = module(torch)
        for make in (
            lambda o: s.StepLR(o, 1),
            lambda o: s.LambdaLR(o, falling),
            lambda o: s.ReduceLROnPlateau(o, patience=0),
            lambda o: s.ReduceLROnPlateau(o, patience=0, min_lr=[0, 0]),
        ):
            target = optimizer(torch)
            schedule = make(target)
            target.add_param_group({"params": [torch.nn.Parameter(torch.ones(1))], "lr": 0.5})
            target.step()
            for _ in range(2):
                arguments = [1.0] if isinstance(schedule, s.ReduceLROnPlateau) else []
                log.result(lambda schedule=schedule, arguments=arguments: schedule.step(*arguments))
            log(schedule.get_last_lr())

    assert_same(scenario)


def test_a_scheduler_of_the_users():
    def scenario(torch, log):
        s = module(torch)

        class Halving(s._LRScheduler):
            def get_lr(self):
                log(self._get_lr_called_within_step, self._is_initial)
                return [base / 2**self.last_epoch for base in self.base_lrs]

        target = optimizer(torch)
        schedule = Halving(target)
        log(isinstance(schedule, s.LRScheduler), isinstance(s.StepLR(target, 1), s._LRScheduler))
        run(torch, target, schedule, log, 3)
        log(schedule.state_dict())

    assert_same(scenario)


def test_metrics_may_be_tensors():
    def scenario(torch, log):
        target = optimizer(torch)
        schedule = module(torch).ReduceLROnPlateau(target, patience=0)
        for metric in (1.0, 2.0, float("nan"), -1.0):
            schedule.step(torch.tensor(metric))
            log(schedule.get_last_lr(), schedule.best, schedule.in_cooldown)

    assert_same(scenario)


def test_a_scheduler_keeps_no_optimizer_alive():
    target = optimizer(flambeau)
    flambeau.optim.lr_scheduler.StepLR(target, 1)
    gone = weakref.ref(target)
    gc.disable()
    try:
        del target
        assert gone() is None
    finally:
        gc.enable()


def test_the_public_names():
    def scenario(torch, log):
        s = module(torch)
        log(sorted(s.__all__), s.EPOCH_DEPRECATION_WARNING)
        for name in sorted(s.__all__):
            log(repr(getattr(s, name)))
        log(repr(torch.optim.lr_scheduler.StepLR(optimizer(torch), 1)))

    assert_same(scenario)
