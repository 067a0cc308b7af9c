"""What is watched, counted and drawn, read off `template.yaml`."""

import json
from typing import Any

import pytest

from cloud import metrics
from tests.infra.reading import PSEUDO, RESOURCES, TEMPLATE, filled, of_type

ALARMS = of_type("AWS::CloudWatch::Alarm")

# What AWS publishes by itself, of what is looked at here: dimension and names.
# Source: Lambda developer guide, "Types of metrics"; SQS developer guide, "Available CloudWatch
# metrics"; AWS IoT developer guide, "AWS IoT metrics and dimensions"; DynamoDB developer guide,
# "DynamoDB metrics and dimensions"; API Gateway developer guide, "Monitor CloudWatch metrics for
# HTTP APIs".
PUBLISHED = {
    ("AWS/Lambda", "FunctionName"): {
        "AsyncEventAge",
        "AsyncEventsDropped",
        "ConcurrentExecutions",
        "DestinationDeliveryFailures",
        "Duration",
        "Errors",
        "Invocations",
        "Throttles",
    },
    ("AWS/SQS", "QueueName"): {
        "ApproximateAgeOfOldestMessage",
        "ApproximateNumberOfMessagesVisible",
    },
    ("AWS/IoT", "RuleName"): {"RuleMessageThrottled", "TopicMatch"},
    ("AWS/IoT", "Protocol"): {"PublishIn.Success", "PublishOut.Success"},
    ("AWS/ApiGateway", "ApiId"): {"4xx", "5xx", "Count", "Latency"},
    ("AWS/DynamoDB", "TableName"): {"ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits"},
    (metrics.NAMESPACE, metrics.DIMENSION): set(metrics.UNITS),
}


def dashboard() -> list[dict[str, Any]]:
    """The widgets; a name in the body that no parameter and no resource has stays as it is."""
    names = {name: str(body.get("Default", "")) for name, body in TEMPLATE["Parameters"].items()}
    body = filled(RESOURCES["Dashboard"]["Properties"]["DashboardBody"], {**names, **PSEUDO})
    widgets: list[dict[str, Any]] = json.loads(body)["widgets"]
    return widgets


def drawn() -> list[tuple[str, str, str, str]]:
    """Namespace, name, dimension and its value of every metric drawn."""
    return [
        tuple(metric[:4])
        for widget in dashboard()
        for metric in widget["properties"].get("metrics", [])
        if isinstance(metric[0], str)
    ]


@pytest.mark.parametrize("name", list(ALARMS))
def test_every_alarm_tells_somebody_what_is_wrong_and_when_it_is_over(name: str) -> None:
    alarm = ALARMS[name]

    assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": "Alarms"}]
    assert alarm.get("ActionsEnabled", True)
    assert alarm["AlarmDescription"].endswith((".", "log.", "queue."))
    assert alarm["TreatMissingData"] == "notBreaching"
    assert alarm["Period"] * alarm["EvaluationPeriods"] >= 60


def test_what_an_alarm_tells_reaches_the_operators_mail() -> None:
    (mail,) = of_type("AWS::SNS::Subscription").values()

    assert (mail["TopicArn"], mail["Protocol"]) == ({"Ref": "Alarms"}, "email")
    assert mail["Endpoint"] == {"Ref": "AlarmEmail"}


def test_each_way_of_losing_or_delaying_something_has_its_alarm() -> None:
    watched = {(alarm["Namespace"], alarm["MetricName"]) for alarm in ALARMS.values()}

    assert watched == {
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible"),
        ("AWS/SQS", "ApproximateAgeOfOldestMessage"),
        ("AWS/ApiGateway", "5xx"),
        ("AWS/Lambda", "Errors"),
        ("AWS/Lambda", "Throttles"),
        ("AWS/Lambda", "Duration"),
        ("AWS/Lambda", "DestinationDeliveryFailures"),
        ("AWS/IoT", "RuleMessageThrottled"),
        (metrics.NAMESPACE, "ResultAge"),
    }


def test_every_function_has_an_alarm_for_its_errors() -> None:
    functions = {
        alarm["Dimensions"][0]["Value"]["Ref"]
        for alarm in ALARMS.values()
        if alarm["MetricName"] == "Errors"
    }

    # What the API's function fails at is a 5xx of the API's, which has one.
    assert functions == set(of_type("AWS::Lambda::Function")) - {"Api"}


@pytest.mark.parametrize("name", list(ALARMS))
def test_an_alarm_watches_a_metric_that_there_is(name: str) -> None:
    alarm = ALARMS[name]
    [dimension] = alarm["Dimensions"]

    assert alarm["MetricName"] in PUBLISHED[alarm["Namespace"], dimension["Name"]]
    assert ("Statistic" in alarm) != ("ExtendedStatistic" in alarm)


def test_a_late_result_is_the_operators_to_define() -> None:
    alarm = ALARMS["LateResultsAlarm"]

    assert metrics.UNITS[alarm["MetricName"]] == "Milliseconds"
    assert alarm["Threshold"] == {"Ref": "LateResultMs"}
    assert alarm["ExtendedStatistic"] == "p95"
    assert alarm["Dimensions"] == [
        {"Name": metrics.DIMENSION, "Value": {"Ref": "AWS::StackName"}},
    ]


def test_the_alarm_of_the_time_out_comes_before_it() -> None:
    steps = TEMPLATE["Mappings"]["NearTimeout"]

    assert {int(seconds) for seconds in steps} == set(
        TEMPLATE["Parameters"]["TimeoutSeconds"]["AllowedValues"]
    )
    for seconds, step in steps.items():
        assert step["Ms"] == int(seconds) * 1000 * 4 // 5
    assert ALARMS["RecognizeDurationAlarm"]["Threshold"] == {
        "Fn::FindInMap": ["NearTimeout", {"Ref": "TimeoutSeconds"}, "Ms"]
    }


def test_the_dashboard_draws_what_there_is() -> None:
    assert len(drawn()) > 25
    for namespace, name, dimension, _ in drawn():
        assert name in PUBLISHED[namespace, dimension]


def test_the_dashboard_shows_all_that_is_counted() -> None:
    counted = {name for namespace, name, *_ in drawn() if namespace == metrics.NAMESPACE}

    assert counted == set(metrics.UNITS)
    ages = [
        metric[4]["stat"]
        for widget in dashboard()
        for metric in widget["properties"].get("metrics", [])
        if metric[1:2] == ["ResultAge"]
    ]
    assert ages == ["p50", "p95"]


def test_the_dashboard_shows_every_alarm() -> None:
    (shown,) = [w["properties"]["alarms"] for w in dashboard() if w["type"] == "alarm"]

    assert set(shown) == {"${" + f"{name}.Arn" + "}" for name in ALARMS}


def test_every_name_in_the_dashboard_is_a_resource_or_a_parameter() -> None:
    body = RESOURCES["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    names = {part.partition("}")[0].partition(".")[0] for part in body.split("${")[1:]}

    assert names <= {*RESOURCES, *TEMPLATE["Parameters"], *PSEUDO}


def test_widgets_lie_side_by_side_and_not_over_one_another() -> None:
    taken: set[tuple[int, int]] = set()
    for widget in dashboard():
        spots = {
            (x, y)
            for x in range(widget["x"], widget["x"] + widget["width"])
            for y in range(widget["y"], widget["y"] + widget["height"])
        }
        assert not spots & taken, widget["properties"]["title"]
        assert max(x for x, _ in spots) < 24  # a dashboard's columns
        taken |= spots


def test_the_budget_tells_whom_alarms_tell() -> None:
    budget = RESOURCES["Budget"]
    said = budget["Properties"]["NotificationsWithSubscribers"]

    assert budget["Condition"] == "HasBudget"
    assert budget["Properties"]["Budget"]["BudgetLimit"] == {
        "Amount": {"Ref": "MonthlyBudget"},
        "Unit": "USD",
    }
    assert [each["Notification"]["NotificationType"] for each in said] == ["ACTUAL", "FORECASTED"]
    for each in said:
        assert each["Subscribers"] == [
            {"SubscriptionType": "EMAIL", "Address": {"Ref": "AlarmEmail"}}
        ]


def test_aws_iots_own_log_is_made_only_if_it_is_wanted() -> None:
    for name in ("IotLogging", "IotLog", "IotLogRole"):
        assert RESOURCES[name]["Condition"] == "HasIotLog"
    assert TEMPLATE["Parameters"]["IotLogLevel"]["Default"] == "DISABLED"
