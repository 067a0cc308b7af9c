"""Names written out, as CloudFormation needs them to take something up again."""

import pytest

from infra import literals, template
from infra.deploying import parameters, remains
from tests.infra.reading import RESOURCES, TEMPLATE, filled

KNOWN = {"AWS::StackName": "s", "AWS::Region": "r", "AWS::AccountId": "1"}
DEFAULTS = parameters.effective(TEMPLATE, {}, {})


def test_what_outlives_a_stack_is_named_outright() -> None:
    named = literals.with_literal_names(TEMPLATE, {**DEFAULTS, **KNOWN})

    assert named["Resources"]["PeopleTable"]["Properties"]["TableName"] == "s-people"
    assert named["Resources"]["InputBucket"]["Properties"]["BucketName"] == "s-1-r-input"
    assert named["Resources"]["SightingsTable"]["Properties"]["TableName"] == {
        "Fn::Sub": "${AWS::StackName}-sightings"
    }
    assert template.load() == TEMPLATE


def test_a_bucket_s_name_follows_the_prefix() -> None:
    known = {**DEFAULTS, **KNOWN, "BucketPrefix": "me"}

    named = literals.with_literal_names(TEMPLATE, known)

    names = [
        named["Resources"][f"{n}Bucket"]["Properties"]["BucketName"] for n in ("Input", "Stage")
    ]
    assert names == ["me-input", "me-stage-1"]
    assert set(literals.given_names(TEMPLATE, "AWS::S3::Bucket", "BucketName", known)) == {
        "s-media-1-r",
        "me-input",
        "me-stage-1",
        "me-output",
    }


def test_what_is_not_known_yet_stays_as_it_is() -> None:
    named = literals.with_literal_names(TEMPLATE, KNOWN)  # no parameters

    for name in template.kept(TEMPLATE) & set(named["Resources"]):
        given, was = (each[name]["Properties"] for each in (named["Resources"], RESOURCES))
        if name.endswith("Bucket") and name != "MediaBucket":
            assert given == was


@pytest.mark.parametrize("name", ["InputBucket", "StageBucket", "OutputBucket"])
def test_the_videos_buckets_are_known_by_their_ends(name: str) -> None:
    assert filled(RESOURCES[name]["Properties"]["BucketName"]).endswith(remains.VIDEO_BUCKETS)


def test_somebody_else_s_name_is_not_the_stack_s() -> None:
    found = literals.given_names(TEMPLATE, "AWS::Logs::LogGroup", "LogGroupName", KNOWN)

    assert remains.IOT_LOG not in found
    assert "/aws/lambda/s-recognize" in found
