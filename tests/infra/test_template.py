"""What `template.yaml` promises, read off the template itself.

Parameters are read in test_template_parameters.py, rights in test_template_policies.py, alarms and
the dashboard in test_template_watching.py.
"""

import json
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from cloud.admit import AdmitSettings
from cloud.http.settings import ApiSettings
from cloud.settings import Settings
from cloud.videos.settings import SplitSettings, SweepSettings, VideoRecognitionSettings
from infra import template
from infra.local.stack import LEFT_OUT
from infra.template import LeftOut
from sightline import keys, topics
from sightline.errors import ConfigError
from tests.infra.reading import RESOURCES, TEMPLATE, filled, of_type

# Which settings each function reads; a function without an entry here fails its test.
SETTINGS: dict[str, type] = {
    "Recognize": Settings,
    "AdmitDevice": AdmitSettings,
    "SplitVideo": SplitSettings,
    "RecognizeVideo": VideoRecognitionSettings,
    "SweepVideos": SweepSettings,
    "Api": ApiSettings,
}

# What holds people's data, or what devices and tables outside the stack depend on.
VIDEO_BUCKETS = {"InputBucket", "StageBucket", "OutputBucket"}
KEPT_TABLES = {"PeopleTable", "FacesTable", "MetaTable", "SerialsTable"}
OUTLIVING = {"MediaBucket"} | VIDEO_BUCKETS | KEPT_TABLES
# Functions that come in an image of their own.
OWN_IMAGES = {"SplitVideo": "VideoImageUri"}


def test_the_rule_is_the_contracts() -> None:
    rule = RESOURCES["FramesRule"]["Properties"]["TopicRulePayload"]

    select, _, source = rule["Sql"].partition(" FROM ")
    assert select == (
        "SELECT encode(*, 'base64') AS payload, topic() AS topic, clientid() AS client, "
        "timestamp() AS received_ms"
    )
    assert source == f"'{topics.every('frames')}'"
    assert rule["AwsIotSqlVersion"] == "2016-03-23"
    assert rule["ErrorAction"]["Sqs"]["QueueUrl"] == {"Ref": "DeadLetters"}
    assert not rule["RuleDisabled"]


@pytest.mark.parametrize("name", list(of_type("AWS::Lambda::Function")))
def test_a_function_is_told_what_its_settings_read(name: str) -> None:
    variables = RESOURCES[name]["Properties"]["Environment"]["Variables"]

    assert set(variables) == {f"SIGHTLINE_{field.name.upper()}" for field in fields(SETTINGS[name])}


@pytest.mark.parametrize("name", list(of_type("AWS::Lambda::Function")))
def test_a_function_comes_in_the_same_zip_or_image_as_the_others(name: str) -> None:
    function = RESOURCES[name]["Properties"]
    handler = function["Handler"]["Fn::If"][2]

    assert function["PackageType"] == {"Ref": "PackageType"}
    _, image, code = function["Code"]["Fn::If"]
    assert image == {"ImageUri": {"Ref": OWN_IMAGES.get(name, "ImageUri")}}
    assert code == {"S3Bucket": {"Ref": "CodeBucket"}, "S3Key": {"Ref": "CodeKey"}}
    assert function["ImageConfig"] == {
        "Fn::If": ["IsImage", {"Command": [handler]}, {"Ref": "AWS::NoValue"}]
    }
    assert function["Architectures"] == [{"Ref": "Architecture"}]
    assert "VpcConfig" not in function


def test_what_must_be_kept_outlives_the_stack_and_nothing_else_does() -> None:
    kept = {n for n, b in RESOURCES.items() if str(b.get("DeletionPolicy")).startswith("Retain")}

    assert kept == OUTLIVING
    for name in OUTLIVING:
        assert RESOURCES[name]["DeletionPolicy"] == "RetainExceptOnCreate"
        assert RESOURCES[name]["UpdateReplacePolicy"] == "Retain"


def test_whatever_holds_data_says_what_becomes_of_it_and_why() -> None:
    holding = ("AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::SQS::Queue", "AWS::Logs::LogGroup")
    text = template.TEMPLATE.read_text()
    for name, body in RESOURCES.items():
        if body["Type"] in holding:
            assert "DeletionPolicy" in body, name
            assert "UpdateReplacePolicy" in body, name
            above, _, below = text.partition(f"\n  {name}:\n")
            said = above.rpartition("\n")[2] + below.partition("    Properties:")[0]
            assert "# " in said, f"{name} does not say why"


def test_every_name_fits_for_a_stack_of_27_characters() -> None:
    # A thing, an alias and a role outlive a rename badly, so they are named; each has its limit.
    most = {
        "BucketName": 63,
        "TableName": 255,
        "FunctionName": 64,
        "RoleName": 64,
        "RoleAlias": 128,
        "RuleName": 128,
        "PolicyName": 128,
        "QueueName": 80,
        "TemplateName": 36,
        "DashboardName": 255,
        "BudgetName": 100,
        "TopicName": 256,
        "LogGroupName": 512,
    }
    named = {
        (name, key): filled(value)
        for name, body in RESOURCES.items()
        for key, value in body["Properties"].items()
        if key in most and "Ref" not in value and "Fn::GetAtt" not in value
    }

    assert len(named) > 20
    for (name, key), text in named.items():
        assert len(text) <= most[key], (name, text)
        assert text.startswith("s" * 27) or "/" in text or text == "AWSIotLogsV2", (name, text)


def test_tables_are_encrypted_and_paid_by_use() -> None:
    tables = of_type("AWS::DynamoDB::Table")

    assert set(tables) == KEPT_TABLES | {"SightingsTable", "VideosTable", "KeysTable"}
    for table in tables.values():
        assert table["SSESpecification"] == {"SSEEnabled": True}
        assert table["BillingMode"] == "PAY_PER_REQUEST"
    for name in ("PeopleTable", "FacesTable", "SerialsTable"):
        assert tables[name]["PointInTimeRecoverySpecification"] == {
            "PointInTimeRecoveryEnabled": {"Ref": "PointInTimeRecovery"}
        }


def test_sightings_are_found_by_person_and_expire() -> None:
    table = RESOURCES["SightingsTable"]["Properties"]
    indexes = {i["IndexName"]: i for i in table["GlobalSecondaryIndexes"]}

    assert [k["AttributeName"] for k in indexes["by_person"]["KeySchema"]] == ["person_id", "seen"]
    assert set(indexes) == {"by_person"}
    keys_of = [table["KeySchema"], *(index["KeySchema"] for index in indexes.values())]
    assert {a["AttributeName"] for a in table["AttributeDefinitions"]} == {
        key["AttributeName"] for schema in keys_of for key in schema
    }
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}


@pytest.mark.parametrize("name", list(of_type("AWS::S3::Bucket")))
def test_a_bucket_is_private_encrypted_and_without_versions(name: str) -> None:
    bucket = RESOURCES[name]["Properties"]
    blocked = bucket["PublicAccessBlockConfiguration"]

    assert len(blocked) == 4
    assert all(blocked.values())
    assert bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    assert "VersioningConfiguration" not in bucket  # a deleted frame is to be gone


def test_the_bucket_forgets() -> None:
    bucket = RESOURCES["MediaBucket"]["Properties"]
    rules = {rule["Id"]: rule for rule in bucket["LifecycleConfiguration"]["Rules"]}

    assert all(rule["Status"] == "Enabled" for rule in rules.values())
    assert rules["frames"]["Prefix"] == f"{keys.FRAMES}/"
    assert rules["frames"]["ExpirationInDays"] == {"Ref": "FrameDays"}
    assert rules["segments"]["ExpirationInDays"] == {"Ref": "SegmentDays"}
    assert rules["broken-uploads"]["AbortIncompleteMultipartUpload"]


@pytest.mark.parametrize("name", list(of_type("AWS::SQS::Queue")))
def test_a_queue_is_encrypted_and_keeps_for_two_weeks(name: str) -> None:
    queue = RESOURCES[name]["Properties"]

    assert queue["SqsManagedSseEnabled"] is True
    assert queue["MessageRetentionPeriod"] == 14 * 24 * 3600


@pytest.mark.parametrize("name", list(of_type("AWS::Logs::LogGroup")))
def test_a_log_ends_with_its_days(name: str) -> None:
    assert RESOURCES[name]["Properties"]["RetentionInDays"] == {"Ref": "LogDays"}


def test_an_upload_is_told_to_the_function_that_takes_it_apart() -> None:
    bucket = RESOURCES["InputBucket"]
    told = bucket["Properties"]["NotificationConfiguration"]["LambdaConfigurations"]

    assert told == [
        {"Event": "s3:ObjectCreated:*", "Function": {"Fn::GetAtt": ["SplitVideo", "Arn"]}}
    ]
    assert bucket["DependsOn"] == "SplitVideoPermission"  # S3 tries it when it is told
    # Else each would need the other first.
    assert "InputBucket" not in json.dumps([RESOURCES["SplitVideo"], RESOURCES["SplitVideoRole"]])
    name = RESOURCES["SplitVideo"]["Properties"]["Environment"]["Variables"][
        "SIGHTLINE_INPUT_BUCKET"
    ]
    assert filled(name) == filled(bucket["Properties"]["BucketName"])


def test_a_chunk_is_given_out_again_only_after_its_function_has_ended() -> None:
    queue = RESOURCES["VideoQueue"]["Properties"]
    mapping = RESOURCES["VideoChunks"]["Properties"]

    assert mapping["BatchSize"] == 2
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["FunctionName"] == {"Ref": "RecognizeVideo"}
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": {"Ref": "VideoConcurrency"}}
    # Lambda refuses a mapping whose queue gives out sooner than its function times out.
    assert queue["VisibilityTimeout"] >= RESOURCES["RecognizeVideo"]["Properties"]["Timeout"]
    stall_s = TEMPLATE["Parameters"]["StallMinutes"]["MinValue"] * 60
    assert queue["VisibilityTimeout"] < stall_s  # a second attempt comes before it is given up
    assert queue["RedrivePolicy"] == {
        "deadLetterTargetArn": {"Fn::GetAtt": ["DeadLetters", "Arn"]},
        "maxReceiveCount": 3,
    }


def test_a_chain_of_a_long_video_is_not_taken_for_a_loop() -> None:
    for name in ("SplitVideo", "RecognizeVideo"):
        assert RESOURCES[name]["Properties"]["RecursiveLoop"] == "Allow"


def test_a_video_fits_on_the_disk_of_its_function() -> None:
    disk = RESOURCES["SplitVideo"]["Properties"]["EphemeralStorage"]["Size"]

    assert disk * 1024 * 1024 > TEMPLATE["Parameters"]["MaxVideoMb"]["MaxValue"] * 1000 * 1000


def test_videos_without_progress_are_found_and_their_rows_expire() -> None:
    table = RESOURCES["VideosTable"]["Properties"]
    [index] = table["GlobalSecondaryIndexes"]

    assert [key["AttributeName"] for key in table["KeySchema"]] == ["video", "row"]
    assert index["IndexName"] == "open"
    assert [key["AttributeName"] for key in index["KeySchema"]] == ["open", "changed_at"]
    for name in ("VideosTable", "KeysTable"):
        ttl = RESOURCES[name]["Properties"]["TimeToLiveSpecification"]
        assert ttl == {"AttributeName": "expires_at", "Enabled": True}


@pytest.mark.parametrize("name", ["InputBucket", "StageBucket"])
def test_a_bucket_of_videos_forgets_and_that_of_results_does_not(name: str) -> None:
    def days(bucket: str) -> list[object]:
        rules = RESOURCES[bucket]["Properties"]["LifecycleConfiguration"]["Rules"]
        return [rule["ExpirationInDays"] for rule in rules if "ExpirationInDays" in rule]

    assert days(name) == [{"Ref": "VideoDays"}]
    assert days("OutputBucket") == []


def test_http_is_never_open_and_waits_as_long_as_its_function() -> None:
    route = RESOURCES["HttpApiRoute"]["Properties"]
    integration = RESOURCES["HttpApiIntegration"]["Properties"]

    assert route["RouteKey"] == "$default"
    assert route["AuthorizationType"] == {"Fn::If": ["HasIamApi", "AWS_IAM", "NONE"]}
    assert integration["PayloadFormatVersion"] == "2.0"
    timeout_s = RESOURCES["Api"]["Properties"]["Timeout"]
    assert timeout_s * 1000 < integration["TimeoutInMillis"] <= 30_000
    said = RESOURCES["HttpApiStage"]["Properties"]["AccessLogSettings"]["Format"]
    assert json.loads(said)
    assert not {"header", "path", "query"} & set(re.findall("[a-z]+", said.lower()))


def test_what_the_function_gives_up_goes_to_the_dead_letters() -> None:
    invokes = RESOURCES["RecognizeInvokes"]["Properties"]

    assert invokes["MaximumRetryAttempts"] == 2
    assert invokes["MaximumEventAgeInSeconds"] == {"Ref": "MaxFrameAgeSeconds"}
    destination = invokes["DestinationConfig"]["OnFailure"]["Destination"]
    assert destination == {"Fn::GetAtt": ["DeadLetters", "Arn"]}


def test_every_function_has_a_log_of_its_own_name() -> None:
    for function in of_type("AWS::Lambda::Function").values():
        group = RESOURCES[function["LoggingConfig"]["LogGroup"]["Ref"]]["Properties"]
        assert function["LoggingConfig"]["LogFormat"] == "JSON"
        assert filled(group["LogGroupName"]) == f"/aws/lambda/{filled(function['FunctionName'])}"


def test_the_command_line_finds_its_outputs() -> None:
    assert set(TEMPLATE["Outputs"]) >= {
        "AdmitFunction",
        "ApiFunction",
        "BasicIngest",
        "ClaimPolicy",
        "Dashboard",
        "DeadLetterQueueUrl",
        "DevicePolicy",
        "Engine",
        "FacesTable",
        "FleetTemplate",
        "FramesRule",
        "HttpApi",
        "InputBucket",
        "KeysTable",
        "MediaBucket",
        "MetaTable",
        "OperatorPolicy",
        "OutputBucket",
        "PeopleTable",
        "RecognizeFunction",
        "RecognizeVideoFunction",
        "RoleAlias",
        "SerialsTable",
        "SightingsTable",
        "SplitVideoFunction",
        "StageBucket",
        "VideoQueueUrl",
        "VideosTable",
    }


def test_cloudformation_takes_it() -> None:
    # In one request up to 51,200 bytes; larger, as infra/deploy.py then does it, from S3.
    assert len(json.dumps(TEMPLATE, separators=(",", ":")).encode()) < 1_000_000
    assert len(TEMPLATE["Parameters"]) <= 200
    assert len(RESOURCES) <= 500
    assert len(TEMPLATE["Outputs"]) <= 200


def test_its_sections_stand_in_the_order_that_its_head_says() -> None:
    text = template.TEMPLATE.read_text()
    head, rest = text.split("# The way of a frame")
    titles: tuple[str, ...] = (
        "Parameters",
        "Media",
        "Tables",
        "Recognition",
        "What failed",
        "Devices",
        "Fleet",
    )
    titles += ("Operators", "Videos", "HTTP", "Alarms and dashboard", "Outputs")
    places = []
    for number, title in enumerate(titles, 1):
        assert f"{number} {title}" in head
        places.append(rest.index(f"# {number} {title}"))
    assert places == sorted(places)


def test_cfn_lint_finds_nothing() -> None:
    lint = Path(sys.executable).with_name("cfn-lint")
    if not lint.exists():
        pytest.skip("cfn-lint is not installed")

    done = subprocess.run([lint, template.TEMPLATE], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "")


def test_a_type_is_left_out_by_name_and_its_references_become_its_name() -> None:
    rest, gone = template.leave_out(TEMPLATE, LEFT_OUT)

    assert set(gone) == {
        LeftOut(name="DeviceRoleAlias", type="AWS::IoT::RoleAlias"),
        LeftOut(name="Budget", type="AWS::Budgets::Budget"),
        LeftOut(name="IotLogging", type="AWS::IoT::Logging"),
    }
    assert rest["Outputs"]["RoleAlias"]["Value"] == {"Fn::Sub": "${AWS::StackName}-device"}
    assert set(RESOURCES) - set(rest["Resources"]) == {each.name for each in gone}


def test_nothing_is_left_out_of_which_more_than_the_name_is_needed() -> None:
    with pytest.raises(ConfigError, match=r"DeadLetters|VideoQueue"):
        template.leave_out(TEMPLATE, {"AWS::SQS::Queue": "QueueName"})


def test_a_dependency_on_what_is_left_out_goes_with_it() -> None:
    body = {
        "Resources": {
            "A": {"Type": "X", "Properties": {}, "DependsOn": "B"},
            "B": {"Type": "Y", "Properties": {"Name": "b"}},
        }
    }

    rest, _ = template.leave_out(body, {"Y": "Name"})

    assert rest == {"Resources": {"A": {"Type": "X", "Properties": {}, "DependsOn": []}}}


def test_the_functions_are_known_by_name_before_there_is_a_stack() -> None:
    assert list(template.function_names(TEMPLATE, "mine")) == [
        "mine-recognize",
        "mine-admit",
        "mine-split-video",
        "mine-recognize-video",
        "mine-sweep-videos",
        "mine-api",
    ]


def test_who_waits_for_which_function_is_read_off_the_template() -> None:
    callers = template.callers(TEMPLATE, "mine")

    assert callers.hooked == {"mine-admit"}
    assert callers.requested == {"mine-api"}
    assert callers.polled == {"mine-recognize-video"}
    assert callers.streamed == {"mine-recognize"}


def test_a_template_that_is_none_is_said_so(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("a: [")

    with pytest.raises(ConfigError, match=r"bad\.yaml is not a template"):
        template.load(bad)
    with pytest.raises(ConfigError, match="cannot read"):
        template.load(tmp_path / "none.yaml")
