"""From service files to a graph: who serves what, whither a call leads, and which mistakes are named."""

import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from echo.v1.echo_towpath import EchoService
from stream.v1.stream_towpath import StreamService

from towpath._app.system.service_graph import DeclaredSystem, read_system
from towpath._contracts.graph import Served, Step, check
from towpath._core.context import Criticality
from towpath._core.errors import Code, SetupError
from towpath._core.policies import HedgingPolicy, RetryPolicy
from towpath._core.service import Service, ServiceSpec

ECHO, STREAM, LIBRARY = "echo.v1.echo_towpath", "stream.v1.stream_towpath", "library.v1.library_towpath"
SAY, SLEEP, REPEAT = "echo.v1.EchoService/Say", "echo.v1.EchoService/Sleep", "stream.v1.StreamService/Repeat"
PAYMENT, CHARGE = "payment.v1.payment_towpath", "payment.v1.PaymentService/Charge"
GET_BOOK, CREATE_BOOK = "library.v1.LibraryService/GetBook", "library.v1.LibraryService/CreateBook"


class Desk:
    """A folder of service files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.paths: list[Path] = []

    def file(self, name: str, contracts: list[str], text: str = "", owns: tuple[str, ...] = ()) -> Path:
        path = self.folder / f"{name}.toml"
        path.write_text(f"[service]\nname = '{name}'\ncontracts = {contracts}\nowns = {list(owns)}\n{text}", encoding="utf-8")
        self.paths.append(path)
        return path

    def system(self, **calls: list[str]) -> Path:
        path = self.folder / "system.toml"
        tables = (f"[services.{name}]\nmodule = 'm'\nconfig = '{name}.toml'\ncalls = {callees}\n" for name, callees in calls.items())
        path.write_text("".join(tables), encoding="utf-8")
        return path

    def read(self) -> DeclaredSystem:
        return read_system(self.paths)


@pytest.fixture
def desk(tmp_path) -> Desk:
    return Desk(tmp_path)


def ways(declared: DeclaredSystem) -> list[tuple[Step, Step]]:
    return [(call.caller, call.callee) for call in declared.graph.calls]


def test_a_call_leads_from_the_named_method_to_whoever_serves_the_other(desk):
    desk.file("a", [LIBRARY, ECHO], "[[calls]]\nfrom = 'LibraryService/GetBook'\nto = 'EchoService/Say'\n")
    desk.file("b", [ECHO])
    declared = desk.read()
    assert ways(declared) == [(Step("a", GET_BOOK), Step("b", SAY))]
    assert {step.service for step in declared.graph.served if "Echo" in step.method} == {"b"}
    assert {step.service for step in declared.graph.served if "Library" in step.method} == {"a"}


def test_without_from_every_method_that_the_service_serves_makes_the_call(desk):
    desk.file("a", [STREAM, ECHO], "[[calls]]\nto = 'EchoService/Say'\n")
    desk.file("b", [ECHO])
    assert {caller.method.rpartition("/")[2] for caller, _ in ways(desk.read())} == {"Repeat", "Collect", "Converse"}


def test_what_serves_nothing_calls_on_its_own_account(desk):
    desk.file("job", [ECHO], "[[calls]]\nto = 'EchoService/Sleep'\n")
    desk.file("b", [ECHO])
    declared = desk.read()
    assert ways(declared) == [(Step("job", ""), Step("b", SLEEP))]
    assert declared.graph.served[Step("job", "")] == Served(timeout=None, criticality=Criticality.SHEDDABLE)


def test_what_nobody_serves_is_outside(desk):
    desk.file("a", [LIBRARY, ECHO], "[[calls]]\nfrom = 'LibraryService/GetBook'\nto = 'EchoService/Sleep'\n")
    declared = desk.read()
    outside = Step("(outside)", SLEEP)
    assert ways(declared) == [(Step("a", GET_BOOK), outside)]
    assert declared.graph.served[outside] == Served(timeout=1.5, criticality=Criticality.SHEDDABLE)


def test_a_forward_calls_the_namesake_and_nobody_is_sent_through_it(desk):
    desk.file("gateway", [ECHO], "[[calls]]\nto = 'EchoService'\nforward = true\n")
    desk.file("b", [ECHO])
    desk.file("c", [STREAM, ECHO], "[[calls]]\nfrom = 'StreamService/Repeat'\nto = 'EchoService/Say'\n")
    found = ways(desk.read())
    assert len(found) == 5
    assert (Step("gateway", SAY), Step("b", SAY)) in found
    assert found[-1] == (Step("c", REPEAT), Step("b", SAY))


def test_the_system_file_says_which_of_several_is_called(desk):
    desk.file("a", [LIBRARY, ECHO], "[[calls]]\nfrom = 'LibraryService/GetBook'\nto = 'EchoService/Say'\n")
    desk.file("b", [ECHO])
    desk.file("c", [ECHO])
    assert [callee.service for _, callee in ways(desk.read())] == ["b", "c"]
    desk.paths = [desk.system(a=["c"], b=[], c=[])]
    assert [callee.service for _, callee in ways(desk.read())] == ["c"]


def test_a_service_may_call_a_method_of_its_own_contract(desk):
    desk.file("a", [ECHO], "[[calls]]\nfrom = 'EchoService/Fail'\nto = 'EchoService/Say'\n")
    assert ways(desk.read()) == [(Step("a", "echo.v1.EchoService/Fail"), Step("a", SAY))]


def test_a_service_without_a_service_file_is_left_out(desk):
    desk.file("a", [ECHO])
    path = desk.system(a=[])
    path.write_text(path.read_text() + "[services.bare]\nmodule = 'm'\n")
    desk.paths = [path]
    assert {step.service for step in desk.read().graph.served} == {"a"}


def test_a_file_that_names_no_service_is_called_by_its_own_name(desk):
    path = desk.folder / "books.toml"
    path.write_text(f"[service]\ncontracts = ['{LIBRARY}']\n")
    assert {step.service for step in read_system([path]).graph.served} == {"books"}


def test_the_values_of_a_call_are_those_that_its_client_would_use(desk):
    text = """
    [[calls]]
    from = "LibraryService/GetBook"
    to = "EchoService/Sleep"
    optional = true
    parallel = true
    times = 4
    [[methodConfig]]
    name = [{ service = "echo.v1.EchoService" }]
    timeout = "0.25s"
    """
    path = desk.file("a", [LIBRARY, ECHO], text)
    (call,) = desk.read().graph.calls
    assert (call.timeout, call.criticality, call.repeatable) == (0.25, Criticality.SHEDDABLE, True)
    assert (call.optional, call.parallel, call.times) == (True, True, 4)
    assert (call.attempts, call.hedged, call.repeated_codes) == (3, False, ())
    assert call.where == f"{path}: calls[0]"


@pytest.mark.parametrize(("method", "attempts"), [("Repeat", 3), ("Collect", 1), ("Converse", 1)])
def test_a_stream_is_tried_again_by_itself_if_it_has_one_request(desk, method, attempts):
    desk.file("a", [LIBRARY, STREAM], f"[[calls]]\nfrom = 'LibraryService/CreateBook'\nto = 'StreamService/{method}'\n")
    (call,) = desk.read().graph.calls
    assert (call.attempts, call.timeout, call.repeatable) == (attempts, None, False)


@pytest.mark.parametrize(
    ("declared", "attempts", "hedged", "codes"),
    [
        ({}, 3, False, ()),
        ({"retry": RetryPolicy(max_attempts=1)}, 1, False, ()),
        ({"retry": RetryPolicy(max_attempts=4, retryable_codes=frozenset({Code.UNAVAILABLE, Code.ABORTED}))}, 4, False, ("ABORTED",)),
        ({"retry": RetryPolicy(max_attempts=1, retryable_codes=frozenset({Code.ABORTED}))}, 1, False, ()),
        ({"retry": RetryPolicy(max_attempts=1), "hedge": HedgingPolicy(max_attempts=2)}, 2, True, ()),
    ],
)
def test_further_attempts_are_those_that_the_contract_declares(desk, monkeypatch, declared, attempts, hedged, codes):
    spec = replace(EchoService.spec, methods=tuple(replace(method, **declared) for method in EchoService.spec.methods))
    monkeypatch.setattr(EchoService, "spec", spec)
    desk.file("a", [LIBRARY, ECHO], "[[calls]]\nfrom = 'LibraryService/GetBook'\nto = 'EchoService/Fail'\n")
    (call,) = desk.read().graph.calls
    assert (call.attempts, call.hedged, call.repeated_codes) == (attempts, hedged, codes)
    assert [finding.rule for finding in check(desk.read().graph)] == ["unsafe-repeat"] * bool(hedged or codes)


def test_the_service_file_has_the_last_word_on_attempts(desk):
    text = """
    [[calls]]
    from = "LibraryService/GetBook"
    to = "EchoService/Say"
    [[methodConfig]]
    name = [{ service = "echo.v1.EchoService" }]
    retryPolicy = { maxAttempts = 1 }
    """
    desk.file("a", [LIBRARY, ECHO], text)
    assert [call.attempts for call in desk.read().graph.calls] == [1]


def test_a_retry_that_no_client_would_start_with_is_a_mistake_and_no_finding(desk):
    text = """
    [[calls]]
    from = "LibraryService/GetBook"
    to = "EchoService/Fail"
    [[methodConfig]]
    name = [{ service = "echo.v1.EchoService" }]
    retryPolicy = { retryableStatusCodes = ["ABORTED"] }
    """
    desk.file("a", [LIBRARY, ECHO], text)
    with pytest.raises(SetupError, match=r"a\.toml: methodConfig\[0\]: echo\.v1\.EchoService/Fail: "):
        desk.read()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", ""),
        ("idempotency = 'off'\n", "the service keeps no answers"),
        ("workers = 2\n", "each of the service's 2 workers keeps answers for itself"),
        ("workers = 2\nidempotency = 'sqlite:///keys.db'\n", ""),
    ],
)
def test_keys_are_kept_where_a_contract_declares_them(desk, text, told):
    desk.file("a", [PAYMENT, ECHO], text)
    served = desk.read().graph.served
    assert served[Step("a", CHARGE)].keys_lost == told
    assert served[Step("a", SAY)].keys_lost == ""
    assert [finding.rule for finding in check(desk.read().graph)] == ["keys-lost"] * (2 if told else 0)


def test_what_forwards_need_keep_no_answers(desk):
    desk.file("edge", [PAYMENT], "idempotency = 'off'\n[[calls]]\nto = 'PaymentService'\nforward = true\n")
    desk.file("behind", [PAYMENT])
    assert check(desk.read().graph) == ()


def test_what_is_owned_keeps_its_place(desk):
    path = desk.file("a", [], owns=("books", "loans"))
    assert [(owned.datum, owned.service, owned.where) for owned in desk.read().graph.owned] == [
        ("books", "a", f"{path}: service.owns[0]"),
        ("loans", "a", f"{path}: service.owns[1]"),
    ]


def test_whom_the_system_file_tells_of_whom_keeps_its_place(desk):
    desk.file("a", [LIBRARY])
    desk.file("b", [ECHO])
    path = desk.system(a=["b"], b=[])
    graph = read_system([path]).graph
    assert [(told.service, told.callee, told.where) for told in graph.told] == [("a", "b", f"{path}: services.a.calls")]
    assert [finding.rule for finding in check(graph)] == ["undeclared-call"]


def test_waivers_are_collected(desk):
    desk.file("a", [], "[[waivers]]\nrule = 'cycle'\npath = 'a *'\nuntil = 2027-03-31\nowner = 'us'\nwhy = 'soon'\n")
    (waiver,) = desk.read().waivers
    assert (waiver.rule, waiver.until.isoformat(), waiver.where) == ("cycle", "2027-03-31", f"{desk.paths[0]}: waivers[0]")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("to = 'EchoService/Sya'", r"a\.toml: calls\[0\]\.to: service echo\.v1\.EchoService has no method 'Sya'; did you mean 'Say'"),
        ("to = 'EchoServise/Say'", r"a\.toml: calls\[0\]\.to: unknown service 'EchoServise'; did you mean 'EchoService'"),
        ("to = 'EchoService'", r"a\.toml: calls\[0\]\.to: 'EchoService' is not SERVICE/METHOD"),
        ("to = 'EchoServise'\nforward = true", r"a\.toml: calls\[0\]\.to: unknown service 'EchoServise'; did you mean 'EchoService'"),
        (
            "from = 'EchoService/Sya'\nto = 'EchoService/Say'",
            r"a\.toml: calls\[0\]\.from: service echo\.v1\.EchoService has no method",
        ),
        ("to = 'EchoService/Say'\ntimes = 0", r"a\.toml: calls\[0\]\.times: is 0; give 1 or more"),
        ("to = 'EchoService/Say'\nfrom_ = 'x'", r"a\.toml: unknown key calls\[0\]\.from_; did you mean 'from'"),
        ("from = 'EchoService/Say'\nto = 'EchoService'\nforward = true", r"a\.toml: calls\[0\]\.from: does not go with forward"),
        ("optional = true", r"a\.toml: calls\[0\]\.to is missing"),
    ],
)
def test_a_mistake_in_a_call_is_named_with_file_and_field(desk, text, message):
    desk.file("a", [ECHO], f"[[calls]]\n{text}\n")
    with pytest.raises(SetupError, match=message):
        desk.read()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[calls]]\nto = 'ehco.v1.EchoService/Say'", r"calls\[0\]\.to: unknown service 'ehco\.v1\.EchoService'; did you mean"),
        (
            "[[methodConfig]]\nname = [{ service = 'EchoServise' }]",
            r"methodConfig\[0\]\.name\[0\]: unknown service 'EchoServise'; did you mean",
        ),
        (
            "[[methodConfig]]\nname = [{ service = 'EchoService', method = 'Sya' }]",
            r"methodConfig\[0\]\.name\[0\]: service .* no method 'Sya'",
        ),
        ("[quotas.q]\nmethods = ['EchoService/Sya']\nper_second = 1", r"quotas\.q\.methods: .* 'EchoService/Sya'; did you mean 'Say'"),
        ("[bulkheads.b]\nmethods = ['v2.EchoService']\nmost = 1", r"bulkheads\.b\.methods: .* 'v2\.EchoService'; did you mean"),
    ],
)
def test_a_name_that_no_contract_has_is_told_in_each_table(desk, text, message):
    desk.file("a", [ECHO], f"{text}\n")
    with pytest.raises(SetupError, match=rf"a\.toml: {message}"):
        desk.read()


def test_names_that_no_contract_is_listed_for_are_a_warning(desk, caplog):
    path = desk.file("a", [], "[[methodConfig]]\nname = [{ service = 'EchoServise' }]\n")
    desk.read()
    (warning,) = [record.getMessage() for record in caplog.records]
    assert warning.startswith(f"{path}: methodConfig[0].name[0]: unknown service 'EchoServise'; ")


def test_an_entry_may_leave_out_the_package(desk):
    calls = "[[calls]]\nfrom = 'LibraryService/GetBook'\nto = 'EchoService/Sleep'\n"
    desk.file("a", [LIBRARY, ECHO], f"{calls}[[methodConfig]]\nname = [{{ service = 'EchoService' }}]\ntimeout = '0.25s'\n")
    (call,) = desk.read().graph.calls
    assert call.timeout == 0.25


def test_a_forward_to_a_service_of_two_packages_is_ambiguous(desk, monkeypatch):
    other = replace(StreamService.spec.methods[0], service="other.v1.EchoService")
    monkeypatch.setattr(StreamService, "spec", replace(StreamService.spec, methods=(other,)))
    desk.file("a", [ECHO, STREAM], "[[calls]]\nto = 'EchoService'\nforward = true\n")
    with pytest.raises(
        SetupError, match=r"a\.toml: calls\[0\]\.to: EchoService is ambiguous: echo\.v1\.EchoService, other\.v1\.EchoService"
    ):
        desk.read()


def test_calls_need_contracts(desk):
    desk.file("a", [], "[[calls]]\nto = 'EchoService/Say'\n")
    with pytest.raises(SetupError, match=r"a\.toml: service\.contracts names no module"):
        desk.read()


def test_two_services_of_one_name_are_refused(desk):
    desk.file("a", [ECHO])
    other = desk.folder / "b.toml"
    other.write_text("[service]\nname = 'a'\n")
    with pytest.raises(SetupError, match=r"b\.toml: service\.name: 'a' is also the name of .*a\.toml; rename one of them"):
        read_system([*desk.paths, other])


def several(monkeypatch: pytest.MonkeyPatch, package: str = "several", services: str = "ABC") -> str:
    """A generated module with the services A, B and C, of one method each."""
    module = ModuleType(f"{package}_towpath")
    for name in services:
        method = replace(EchoService.spec.methods[0], service=f"{package}.{name}", name="Get")
        spec = ServiceSpec(name=f"{package}.{name}", methods=(method,), attributes={"Get": "get"})
        setattr(module, name, type(name, (Service,), {"spec": spec, "__module__": module.__name__}))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module.__name__


def served(declared: DeclaredSystem, member: str) -> set[str]:
    return {step.method.partition("/")[0].rpartition(".")[2] for step in declared.graph.served if step.service == member}


def test_a_file_says_which_services_of_a_contract_are_served(desk, monkeypatch):
    contracts = [several(monkeypatch)]
    call = "[[calls]]\nfrom = 'A/Get'\nto = 'B/Get'\n"
    desk.file("a", contracts, f"serves = ['A']\n{call}")
    desk.file("b", contracts, "serves = ['several.B']\n")
    desk.file("c", contracts, "serves = ['/C']\n[[calls]]\nto = 'A/Get'\n")
    declared = desk.read()
    assert [served(declared, name) for name in "abc"] == [{"A"}, {"B"}, {"C"}]
    assert ways(declared) == [
        (Step("a", "several.A/Get"), Step("b", "several.B/Get")),
        (Step("c", "several.C/Get"), Step("a", "several.A/Get")),
    ]
    assert not [finding for finding in check(declared.graph) if finding.rule in ("cycle", "service-cycle")]


def test_a_file_may_say_that_it_serves_nothing(desk, monkeypatch):
    desk.file("job", contracts := [several(monkeypatch)], "serves = []\n[[calls]]\nto = 'A/Get'\n")
    desk.file("rest", contracts)
    declared = desk.read()
    assert (ways(declared), served(declared, "rest")) == ([(Step("job", ""), Step("rest", "several.A/Get"))], {"A", "B", "C"})


def test_what_calls_is_served_and_the_rest_of_its_contract_is_not_guessed_at(desk, monkeypatch):
    desk.file("a", [several(monkeypatch)], "[[calls]]\nfrom = 'A/Get'\nto = 'B/Get'\n")
    assert served(desk.read(), "a") == {"A"}


def test_of_a_contract_of_two_services_the_one_that_is_not_called_is_served(desk, monkeypatch):
    desk.file("a", [several(monkeypatch, "two", "AB")], "[[calls]]\nto = 'B/Get'\n")
    assert served(desk.read(), "a") == {"A"}


def test_where_the_calls_leave_a_choice_the_file_is_asked(desk, monkeypatch):
    desk.file("c", [several(monkeypatch)], "[[calls]]\nto = 'A/Get'\n")
    with pytest.raises(SetupError) as caught:
        desk.read()
    told = ("c.toml: calls[0]: several_towpath has the services several.A, several.B, several.C", "set service.serves in")
    assert all(part in str(caught.value) for part in told)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("['several.D']", r"service\.serves\[0\]: unknown service 'several\.D'; did you mean 'several\.[ABC]'; service\.contracts in"),
        ("['A', 'Z']", r"service\.serves\[1\]: unknown service 'Z'"),
        ("'A'", r"service\.serves: expected `array"),
    ],
)
def test_a_service_that_no_contract_has_cannot_be_served(desk, monkeypatch, names, message):
    desk.file("a", [several(monkeypatch)], f"serves = {names}\n")
    with pytest.raises(SetupError, match=message):
        desk.read()


def test_serving_needs_contracts(desk):
    desk.file("a", [], "serves = ['A']\n")
    with pytest.raises(SetupError, match=r"a\.toml: service\.contracts names no module"):
        desk.read()
