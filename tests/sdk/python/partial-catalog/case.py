"""Batches that are known by the catalog alone, in each protocol: what boto3 sees, and what moto has carried out then: exactly the others.

Of three items the second fails. `tests/sdk/python/partial` shows those that are known by themselves.
"""

import json
import os
import sys
from pathlib import Path

from common import clients, emulator, squall

NAMES = ["a", "b", "c"]


def main():
    file = Path(os.environ["TMPDIR"], "second.yaml")
    file.write_text(json.dumps({"rules": [{"name": "second", "fault": {"partial": {"items": "every 2nd", "code": "InternalError", "message": "again"}}}]}))
    with emulator.start() as upstream:
        with squall.serve(upstream, "--profile", file) as proxy:
            through, there = clients.through(proxy), clients.at(upstream)
            for check in (scheduled_actions, insight_rules, images, grants, accounts, secrets, findings):
                check(through, there)
                print(f"{check.__name__.replace('_', ' ')}: the second fails, the others are carried out")
    seen = {(line["service"], line["operation"]): (line["attempts"], line["injected"]) for line in proxy.summary["operations"]}
    print(seen)
    assert set(seen.values()) == {(1, 1)} and len(seen) == 8, seen


def speaking(through, service, protocol):
    client = through(service)
    assert client.meta.service_model.resolved_protocol == protocol, client.meta.service_model.resolved_protocol
    return client


def scheduled_actions(through, there):
    """Auto Scaling, in forms and XML."""
    client, state = speaking(through, "autoscaling", "query"), there("autoscaling")
    state.create_launch_configuration(LaunchConfigurationName="l", ImageId="ami-12345678", InstanceType="t3.micro")
    group = {"AutoScalingGroupName": "g"}
    state.create_auto_scaling_group(**group, LaunchConfigurationName="l", MinSize=0, MaxSize=3, AvailabilityZones=["us-east-1a"])
    names = lambda: sorted(found["ScheduledActionName"] for found in state.describe_scheduled_actions(**group)["ScheduledUpdateGroupActions"])  # noqa: E731
    actions = [{"ScheduledActionName": name, "DesiredCapacity": 1, "Recurrence": "0 0 * * *"} for name in NAMES]
    answer = client.batch_put_scheduled_update_group_action(**group, ScheduledUpdateGroupActions=actions)
    failed = {"ScheduledActionName": "b", "ErrorCode": "InternalError", "ErrorMessage": "again"}
    assert (answer["FailedScheduledUpdateGroupActions"], names()) == ([failed], ["a", "c"]), (answer, names())
    state.put_scheduled_update_group_action(**group, **actions[1])
    answer = client.batch_delete_scheduled_action(**group, ScheduledActionNames=NAMES)
    assert (answer["FailedScheduledActions"], names()) == ([failed], ["b"]), (answer, names())


def insight_rules(through, there):
    """CloudWatch, in JSON, which tells the code twice."""
    client, state = speaking(through, "cloudwatch", "json"), there("cloudwatch")
    for name in NAMES:
        state.put_insight_rule(RuleName=name, RuleState="ENABLED", RuleDefinition="{}")
    answer = client.disable_insight_rules(RuleNames=NAMES)
    assert [(failure["FailureResource"], failure["FailureDescription"]) for failure in answer["Failures"]] == [("b", "again")], answer
    states = {rule["Name"]: rule["State"] for rule in state.describe_insight_rules()["InsightRules"]}
    assert states == {"a": "DISABLED", "b": "ENABLED", "c": "DISABLED"}, states


def images(through, there):
    """ECR, whose items are structures."""
    client, state = speaking(through, "ecr", "json"), there("ecr")
    state.create_repository(repositoryName="repository")
    for name in NAMES:
        manifest = {"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json", "config": {"digest": f"sha256:{name * 64}"}, "layers": []}
        state.put_image(repositoryName="repository", imageManifest=json.dumps(manifest), imageTag=name)
    answer = client.batch_delete_image(repositoryName="repository", imageIds=[{"imageTag": name} for name in NAMES])
    failed = {"imageId": {"imageTag": "b"}, "failureCode": "InternalError", "failureReason": "again"}
    assert answer["failures"] == [failed] and [image["imageTag"] for image in answer["imageIds"]] == ["a", "c"], answer
    assert [image["imageTag"] for image in state.list_images(repositoryName="repository")["imageIds"]] == ["b"]


def grants(through, there):
    """Lake Formation, with an error within each failure."""
    client, state = through("lakeformation"), there("lakeformation")
    who = lambda name: {"DataLakePrincipalIdentifier": f"arn:aws:iam::123456789012:role/{name}"}  # noqa: E731
    entry = lambda name: {"Id": name, "Principal": who(name), "Resource": {"Database": {"Name": "d"}}, "Permissions": ["ALL"]}  # noqa: E731
    answer = client.batch_grant_permissions(Entries=[entry(name) for name in NAMES])
    assert answer["Failures"] == [{"RequestEntry": entry("b"), "Error": {"ErrorCode": "InternalError", "ErrorMessage": "again"}}], answer
    granted = state.list_permissions(Resource={"Database": {"Name": "d"}})["PrincipalResourcePermissions"]
    assert sorted(grant["Principal"]["DataLakePrincipalIdentifier"][-1] for grant in granted) == ["a", "c"], granted


def accounts(through, there):
    """Inspector, in REST's JSON."""
    client, state = speaking(through, "inspector2", "rest-json"), there("inspector2")
    accounts = ["111111111111", "222222222222", "333333333333"]
    state.enable(accountIds=accounts, resourceTypes=["EC2"])
    answer = client.disable(accountIds=accounts, resourceTypes=["EC2"])
    failed = {"accountId": accounts[1], "errorCode": "InternalError", "errorMessage": "again"}
    assert (answer["failedAccounts"], [account["accountId"] for account in answer["accounts"]]) == ([failed], [accounts[0], accounts[2]]), answer
    left = [account["accountId"] for account in state.batch_get_account_status(accountIds=accounts)["accounts"] if account["state"]["status"] == "ENABLED"]
    assert left == [accounts[1]], left


def secrets(through, there):
    """Secrets Manager, reading."""
    for name in NAMES:
        there("secretsmanager").create_secret(Name=name, SecretString=f"secret {name}")
    answer = through("secretsmanager").batch_get_secret_value(SecretIdList=NAMES)
    assert answer["Errors"] == [{"SecretId": "b", "ErrorCode": "InternalError", "Message": "again"}], answer
    assert sorted(value["SecretString"] for value in answer["SecretValues"]) == ["secret a", "secret c"], answer


def findings(through, there):
    """Security Hub, which counts."""
    there("securityhub").enable_security_hub()
    now = "2026-01-01T00:00:00Z"
    about = {"SchemaVersion": "2018-10-08", "ProductArn": "arn:aws:securityhub:us-east-1:123456789012:product/123456789012/default", "GeneratorId": "g",
             "AwsAccountId": "123456789012", "Types": ["t"], "CreatedAt": now, "UpdatedAt": now, "Severity": {"Label": "LOW"}, "Title": "t",
             "Description": "d", "Resources": [{"Type": "Other", "Id": "r"}]}
    answer = through("securityhub").batch_import_findings(Findings=[about | {"Id": name} for name in NAMES])
    assert (answer["FailedCount"], answer["SuccessCount"]) == (1, 2), answer
    assert answer["FailedFindings"] == [{"Id": "b", "ErrorCode": "InternalError", "ErrorMessage": "again"}], answer
    assert sorted(finding["Id"] for finding in there("securityhub").get_findings()["Findings"]) == ["a", "c"]


if __name__ == "__main__":
    sys.exit(main())
