"""What is looked at before a deployment, and the line that each finding prints."""

from collections.abc import Callable, Iterator

import pytest

from infra.account import AccessKey, Account
from infra.deploy import Deployment, deploy
from infra.deploying.checks import Check, check
from infra.destroy import destroy
from tests.infra.stubbed import ID, Stubbed, described, stubbed


@pytest.fixture
def aws() -> Iterator[Stubbed]:
    with stubbed() as aws:
        yield aws
        aws.all_asked()


def wrong(account: Account, deployment: Deployment) -> list[str]:
    return [each.line for each in check(account, deployment) if each.verdict == "wrong"]


def identified(aws: Stubbed) -> None:
    who = {"Account": ID, "Arn": f"arn:aws:iam::{ID}:user/ada", "UserId": "A"}
    aws.answer("sts", "get_caller_identity", who)


@pytest.mark.stack
def test_all_is_well_in_an_account_of_ones_own(
    account: Account, deployment: Callable[..., Deployment]
) -> None:
    found = [
        each
        for each in check(account, deployment("fine", FrameDays="3"))
        if each.name != "neighbours"  # other tests' stacks
    ]

    assert {each.verdict for each in found} == {"ok"}
    names = [each.name for each in found]
    assert names == ["parameters", "region", "credentials", "stack", "names", "quotas", "template"]


@pytest.mark.stack
def test_what_outlived_an_earlier_stack_is_taken_up(
    account: Account, deployment: Callable[..., Deployment]
) -> None:
    deploy(account, deployment("earlier"), lambda _: None)
    destroy(account, "earlier", lambda _: None)

    notes = [
        each.text
        for each in check(account, deployment("earlier"))
        if each.verdict == "note" and each.name != "neighbours"
    ]

    destroy(account, "earlier", lambda _: None, everything=True)
    where = "000000000000-us-east-1"
    buckets = [f"earlier-media-{where}"]
    buckets += [f"earlier-{where}-{name}" for name in ("input", "stage-1", "output")]
    assert notes == [f"the bucket {each} is there already, and is taken up" for each in buckets]


@pytest.mark.stack
def test_a_stack_that_would_hear_the_same_devices_is_told(
    account: Account, deployment: Callable[..., Deployment]
) -> None:
    deploy(account, deployment("next-door"), lambda _: None)

    own = [each for each in check(account, deployment("next-door")) if each.name == "neighbours"]
    (told,) = [each for each in check(account, deployment("newer")) if each.name == "neighbours"]

    destroy(account, "next-door", lambda _: None, everything=True)
    assert not any("next-door" in each.text for each in own)
    assert told.verdict == "note"
    assert "next-door" in told.text
    assert "hears the same broker" in told.text


@pytest.mark.stack
def test_a_bucket_of_another_stack_is_not_ours_to_take(
    account: Account, deployment: Callable[..., Deployment]
) -> None:
    s3, bucket = account.client("s3"), "wants-media-000000000000-us-east-1"
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_tagging(
        Bucket=bucket, Tagging={"TagSet": [{"Key": "stack", "Value": "somebody"}]}
    )

    (line,) = wrong(account, deployment("wants"))

    s3.delete_bucket(Bucket=bucket)
    assert line == (
        f"wrong names: the bucket {bucket} belongs to the stack somebody; choose another --stack"
    )


@pytest.mark.stack
def test_a_prefix_that_somebody_has_is_not_ours_to_take(
    account: Account, deployment: Callable[..., Deployment]
) -> None:
    s3 = account.client("s3")
    s3.create_bucket(Bucket="taken-stage-1")
    tags = {"TagSet": [{"Key": "stack", "Value": "somebody"}]}
    s3.put_bucket_tagging(Bucket="taken-stage-1", Tagging=tags)

    (line,) = wrong(account, deployment("prefixed", BucketPrefix="taken"))

    s3.delete_bucket(Bucket="taken-stage-1")
    assert line == (
        "wrong names: the bucket taken-stage-1 belongs to the stack somebody; choose another "
        "--parameter BucketPrefix=…"
    )


@pytest.mark.parametrize(
    ("parameter", "value", "text"),
    [
        ("MemoryMb", "1", "MemoryMb=1: it may be 512 to 10240"),
        ("MemoryMb", "much", "MemoryMb=much: it is no number"),
        ("MemoryMb", "nan", "MemoryMb=nan: it may be 512 to 10240"),
        ("Architecture", "mips", "Architecture=mips: it may be arm64, x86_64"),
        ("AlarmEmail", "nobody", "AlarmEmail=nobody: must be an e-mail address, or nothing"),
        ("FrameDay", "3", "there is no parameter FrameDay; did you mean FrameDays?"),
    ],
)
def test_a_parameter_that_cannot_be_is_said_before_anything_is_asked(
    aws: Stubbed, parameter: str, value: str, text: str
) -> None:
    lines = wrong(aws.account, Deployment(parameters={parameter: value}))

    assert lines == [f"wrong parameter: {text}"]


@pytest.mark.parametrize(
    ("stack", "text"),
    [
        ("My_Stack", "'My_Stack' cannot be a stack: write two or more of a-z, 0-9 and single -"),
        ("s", "'s' cannot be a stack"),
        ("s-", "'s-' cannot be a stack"),
        ("s" * 40, "is too long by 11 characters: its buckets' names may have 63"),
    ],
)
def test_a_stack_needs_a_name_that_its_buckets_can_bear(
    aws: Stubbed, stack: str, text: str
) -> None:
    (line,) = wrong(aws.account, Deployment(stack=stack))

    assert text in line


def test_a_region_that_is_none_is_said_with_the_likeliest() -> None:
    account = Account(region="eu-central-11", key=AccessKey(key_id="AKIA", secret="x"))

    (line,) = wrong(account, Deployment())

    assert line == (
        "wrong region: AWS IoT Core is in no region 'eu-central-11'; give one with --region, "
        "did you mean eu-central-1?"
    )


def test_no_credentials_are_said_with_how_to_get_some(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    (line,) = wrong(Account(region="eu-central-1"), Deployment())

    assert line == (
        "wrong credentials: asking AWS who we are: Unable to locate credentials; sign in with "
        "`aws configure` or `aws sso login`, or name a profile with --profile"
    )


def test_credentials_of_a_region_that_is_not_enabled_are_said_so(aws: Stubbed) -> None:
    aws.refuse("sts", "get_caller_identity", "InvalidClientTokenId", "The token is invalid", 403)

    (line,) = wrong(aws.account, Deployment())

    assert "the region is not enabled for this account (Account, AWS Regions)" in line


def after_stack(aws: Stubbed, state: str | None) -> None:
    """Answer what is asked about the stack: its state, whether it is new, its parameters thrice."""
    identified(aws)
    for _ in range(5):
        if state is None:
            aws.refuse("cloudformation", "describe_stacks", "ValidationError", "s does not exist")
        else:
            aws.answer("cloudformation", "describe_stacks", described(state))


def rest(aws: Stubbed, *, buckets: int = 5, total: int = 1000, free: int = 1000) -> None:
    for _ in range(18):  # names are worked out with the account's id
        identified(aws)
    for _ in range(buckets):
        aws.refuse("s3", "head_bucket", "404", "Not Found", 404)
    limit = {"ConcurrentExecutions": total, "UnreservedConcurrentExecutions": free}
    aws.answer("lambda", "get_account_settings", {"AccountLimit": limit})
    aws.answer("s3", "head_object", {})  # the template is longer than a request, and there already
    aws.answer("cloudformation", "validate_template", {})


def findings(aws: Stubbed, **parameters: str) -> dict[str, Check]:
    return {each.name: each for each in check(aws.account, Deployment(parameters=parameters))}


@pytest.fixture
def new() -> Iterator[Stubbed]:
    """An account in which nothing is deployed; not every answer need be fetched."""
    with stubbed() as aws:
        after_stack(aws, None)
        yield aws


def test_a_new_accounts_small_quota_is_told(new: Stubbed) -> None:
    rest(new, total=10, free=10)

    found = findings(new)["quotas"]

    assert found.verdict == "note"
    assert found.text.startswith("10 frames at once in this new account; for more: Service Quotas")


def test_more_reserved_than_can_be_is_said_with_what_can(new: Stubbed) -> None:
    rest(new, total=1000, free=150)

    found = findings(new, ReservedConcurrency="60")["quotas"]

    assert found.verdict == "wrong"
    assert found.text.startswith(
        "ReservedConcurrency=60, but this account can reserve 50 of its 1000; deploy with "
        "--parameter ReservedConcurrency=50, or ask for more: Service Quotas"
    )


def test_a_bucket_name_taken_by_another_account_is_said(new: Stubbed) -> None:
    for _ in range(18):
        identified(new)
    new.refuse("s3", "head_bucket", "403", "Forbidden", 403)
    rest(new, buckets=4)

    found = findings(new)["names"]

    assert found.verdict == "wrong"
    assert found.text == (
        f"the bucket name sightline-media-{ID}-eu-central-1 is taken by another account, or you "
        "lack s3:ListBucket; choose another --stack"
    )


def test_a_template_that_cloudformation_refuses_is_wrong(new: Stubbed) -> None:
    for _ in range(18):
        identified(new)
    for _ in range(5):
        new.refuse("s3", "head_bucket", "404", "Not Found", 404)
    limit = {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 1000}
    new.answer("lambda", "get_account_settings", {"AccountLimit": limit})
    new.answer("s3", "head_object", {})
    new.refuse("cloudformation", "validate_template", "ValidationError", "Unresolved resource")

    found = findings(new)["template"]

    assert found.verdict == "wrong"
    assert "ValidationError: Unresolved resource" in found.text


@pytest.mark.parametrize(
    ("state", "verdict", "text"),
    [
        ("ROLLBACK_COMPLETE", "note", "that is cleared away first"),
        ("UPDATE_IN_PROGRESS", "note", "that is followed to its end first"),
        ("UPDATE_ROLLBACK_FAILED", "wrong", "deploy --continue-rollback"),
        ("DELETE_FAILED", "wrong", "it is half deleted"),
        ("UPDATE_COMPLETE", "ok", "and is updated"),
    ],
)
def test_the_state_of_the_stack_decides_what_comes_first(
    state: str, verdict: str, text: str
) -> None:
    with stubbed() as aws:
        after_stack(aws, state)
        rest(aws)

        found = findings(aws)["stack"]

    assert found.verdict == verdict
    assert text in found.text


def test_docker_is_looked_at_where_an_image_is_to_be_built(new: Stubbed) -> None:
    rest(new)
    down = Check(name="docker", verdict="wrong", text="its daemon is down: start it")

    found = list(check(new.account, Deployment(), image=lambda: down))

    assert down in found
    assert down.line == "wrong docker: its daemon is down: start it"
