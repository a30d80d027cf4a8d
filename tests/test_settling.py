"""Ways in which people train, undecorated: each settles into programs that are cached, and stays with them.

Each case is a generator that yields a number after every round. After some rounds no new structure may be met and nothing
compiled; and the numbers are those that PyTorch has from the same seed.
"""

from __future__ import annotations

import copy
import itertools

import pytest
import torch

import flambeau
from flambeau._core import flush
from flambeau._core.statistics import statistics

# Rounds until a case has settled (with 5 between logged values, the rarest thing that comes), and rounds to see that it has.
WARM, WATCHED = 30, 12


def network(lib, *sizes):
    parts = itertools.chain(*[(lib.nn.Linear(i, o), lib.nn.ReLU()) for i, o in itertools.pairwise(sizes)])
    return lib.nn.Sequential(*list(parts)[:-1])


def batches(lib, size=16, width=12):
    while True:
        yield lib.randn(size, width), lib.randint(4, (size,))


def accumulated(lib):
    model, data = network(lib, 12, 16, 4), batches(lib)
    optimizer = lib.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    while True:
        for _ in range(4):
            loss = lib.nn.functional.cross_entropy(model(next(data)[0]), next(data)[1]) / 4
            loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        yield loss.item()


def trained_and_evaluated_in_turn(lib):
    model, data = (
        lib.nn.Sequential(network(lib, 12, 16), lib.nn.Dropout(0.3), lib.nn.Linear(16, 4)),
        batches(lib),
    )
    optimizer = lib.optim.Adam(model.parameters(), 1e-2)
    while True:
        model.train()
        for _ in range(2):
            x, y = next(data)
            optimizer.zero_grad()
            lib.nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
        model.eval()
        with lib.no_grad():
            x, y = next(data)
            right = (model(x).argmax(1) == y).sum().item()
        yield right


def two_optimizers(lib):
    maker, judge = network(lib, 6, 16, 12), network(lib, 12, 16, 1)
    by_maker, by_judge = (lib.optim.Adam(net.parameters(), 1e-2) for net in (maker, judge))
    loss_of = lib.nn.functional.binary_cross_entropy_with_logits
    for real, _ in batches(lib):
        fake = maker(lib.randn(16, 6))
        by_judge.zero_grad()
        loss = loss_of(judge(real), lib.ones(16, 1)) + loss_of(judge(fake.detach()), lib.zeros(16, 1))
        loss.backward()
        by_judge.step()
        by_maker.zero_grad()
        fooled = loss_of(judge(fake), lib.ones(16, 1))
        fooled.backward()
        by_maker.step()
        yield loss.item() + fooled.item()


def lengths_in_buckets(lib):
    rnn, head = lib.nn.GRU(5, 8, batch_first=True), lib.nn.Linear(8, 4)
    optimizer = lib.optim.AdamW([*rnn.parameters(), *head.parameters()], 1e-2)
    for length in itertools.cycle((4, 7, 4, 10)):
        optimizer.zero_grad()
        out, _ = rnn(lib.randn(6, length, 5))
        loss = lib.nn.functional.cross_entropy(head(out[:, -1]), lib.randint(4, (6,)))
        loss.backward()
        optimizer.step()
        yield loss.item()


def stopped_early(lib):
    model, data = network(lib, 12, 16, 4), batches(lib)
    optimizer = lib.optim.RMSprop(model.parameters(), 1e-3)
    best, kept, waited = float("inf"), None, 0
    while True:
        x, y = next(data)
        optimizer.zero_grad()
        loss = lib.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        if loss.item() < best:
            best, kept, waited = loss.item(), copy.deepcopy(model.state_dict()), 0
        else:
            waited += 1
        if waited == 6:  # goes back to the best and on from there, so that the case has no end
            model.load_state_dict(kept)
            waited = 0
        yield loss.item()


def logged_now_and_then(lib):
    model, data = network(lib, 12, 16, 16, 4), batches(lib)
    optimizer = lib.optim.SGD(model.parameters(), 0.05)
    total = lib.zeros(())
    while True:
        for _ in range(5):
            x, y = next(data)
            optimizer.zero_grad()
            loss = lib.nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            total += loss.detach()
        yield total.item()


def clipped_on_a_schedule(lib):
    model, data = network(lib, 12, 16, 4), batches(lib)
    optimizer = lib.optim.AdamW(model.parameters(), 1e-2)
    schedule = lib.optim.lr_scheduler.CosineAnnealingLR(optimizer, 50)
    while True:
        x, y = next(data)
        optimizer.zero_grad()
        loss = lib.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        lib.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        schedule.step()
        yield loss.item()


CASES = [
    accumulated,
    clipped_on_a_schedule,
    lengths_in_buckets,
    logged_now_and_then,
    stopped_early,
    trained_and_evaluated_in_turn,
    two_optimizers,
]


def finish_compiles():
    for plan in list(flush._plans.values()):
        if plan.future is not None:
            plan.future.result()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_it_settles(case):
    flambeau.manual_seed(0)
    rounds = case(flambeau)
    for number in range(WARM):
        next(rounds)
        if number % 5 == 4:
            finish_compiles()
    known, compiled = set(flush._plans), sum(statistics.compiles.values())
    for _ in range(WATCHED):
        next(rounds)
    finish_compiles()
    assert set(flush._plans) <= known
    assert sum(statistics.compiles.values()) == compiled


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_its_numbers_are_those_of_pytorch(case):
    found = []
    for lib in (flambeau, torch):
        lib.manual_seed(0)
        found.append(list(itertools.islice(case(lib), 20)))
    assert found[0] == pytest.approx(found[1], rel=1e-4)
