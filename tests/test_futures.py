from side_by_side import compared


@compared
def test_result_is_set_once(torch, log):
    future = torch.futures.Future()
    log(future.done())
    future.set_result(3)
    log(future.done(), future.value(), future.wait())
    log.result(lambda: future.set_result(4))
    log(torch.futures.wait_all([future, future]), len(torch.futures.collect_all([future]).wait()))
    log(torch.futures.collect_all([]).wait())


@compared
def test_callbacks_run_when_the_result_comes(torch, log):
    future = torch.futures.Future()
    doubled = future.then(lambda done: done.wait() * 2)
    future.add_done_callback(lambda done: log("done", done.value()))
    log(doubled.done())
    future.set_result(4)
    log(doubled.wait())
    future.add_done_callback(lambda done: log("at once"))


@compared
def test_exceptions_are_raised_where_one_waits(torch, log):
    future = torch.futures.Future()
    future.set_exception(ValueError("wrong"))
    log.result(future.wait)
    log.result(future.value)
    log.first_line(lambda: torch.futures.Future().set_exception(3))


def test_result_comes_from_another_thread():
    import threading

    import flambeau

    future = flambeau.futures.Future()
    threading.Timer(0.05, future.set_result, [7]).start()
    assert future.wait() == 7
