//! By which member the requests of an operation name their resource.
//!
//! The rules, in this order: what [`EXCEPTIONS`] say of the service or operation; members that are called as people call resources
//! everywhere ([`KNOWN`]: `TableName`, `FunctionName`); in REST, the labels of the path from its left, the outermost first; `resourceArn` and the
//! like; members called as the operation's noun (`CacheClusterId` of ModifyCacheCluster); a required plain `Name`, `Id` or `Arn`; any other
//! required member that is called like a name. Members that say who calls, or what else is used ([`NEVER`]), are none of these.

use super::super::catalog::{Input, Operation, Place};

/// One way to find the name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::aws) struct Way {
    /// The member's name on the wire. In bodies a path: parts parted by dots, `[]` for each item of a list, `{}` for the keys of a map,
    /// `*` for each value of a map.
    pub(super) member: &'static str,
    pub(super) place: Place,
    pub(super) is_list: bool,
}

/// The ways of an operation, best first.
pub(in crate::aws) fn ways(service: &str, operation: &Operation) -> Vec<Way> {
    if let Some(exception) = EXCEPTIONS.iter().find(|e| e.service == service && e.operation == operation.name) {
        return exception.members.iter().map(|member| Way { member, place: Place::Body, is_list: false }).collect();
    }
    let labels = labels(operation);
    let inputs = operation.inputs.iter().map(|input| (*input, plain(input.name)));
    let noun = noun(operation.name);
    let mut ranked: Vec<(Rank, Input)> = labels
        .enumerate()
        .map(|(at, input)| (input, plain(input.name), at))
        .chain(inputs.map(|(input, name)| (input, name, 0)))
        .filter_map(|(input, name, at)| Some(((rank(service, &input, &name, &noun)?, at), input)))
        .collect();
    ranked.sort_by_key(|(rank, input)| (*rank, !input.is_required));
    // A service's own members stand for each other; nothing else stands in for them.
    if let Some(((OWN, _), _)) = ranked.first().map(|(rank, _)| *rank) {
        ranked.retain(|(((rank, _), _), _)| *rank == OWN);
    }
    ranked.truncate(MOST_WAYS);
    ranked.iter().map(|(_, i)| Way { member: i.name, place: i.place, is_list: i.is_list }).collect()
}

/// The kind of thing that a way names: what its member says beside that it is a name, else the operation's noun.
pub(super) fn kind(way: &Way, operation: &Operation) -> Option<String> {
    let member = way.member.rsplit(['.', ']', '}', '*']).find(|part| !part.is_empty())?;
    let own = base(&plain(member)).map_or(member.len(), str::len);
    let word = match member.get(..own).unwrap_or(member).trim_end_matches(['-', '_']) {
        "" | "resource" => noun(operation.name),
        word => word.to_owned(),
    };
    let mut letters = word.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect())
}

type Rank = ((u8, usize), usize);

fn rank(service: &str, input: &Input, name: &str, noun: &str) -> Option<(u8, usize)> {
    let own = EXCEPTIONS.iter().find(|e| e.service == service && e.operation == "*");
    let own = own.and_then(|e| e.members.iter().position(|member| *member == input.name));
    let listed = |list: &[&str]| list.iter().position(|known| *known == name);
    let order = |rank: u8, at: Option<usize>| at.map(|at| (rank, at));
    let is = |rank: u8, holds: bool| holds.then_some((rank, 0));
    let base = base(name);
    if own.is_none() && (listed(NEVER).is_some() || name.ends_with("type") || name.ends_with("version")) {
        return None;
    }
    order(OWN, own)
        .or_else(|| order(1, listed(KNOWN)))
        .or_else(|| is(2, input.place == Place::Label))
        .or_else(|| order(3, listed(ANY)))
        .or_else(|| is(4, base.is_some_and(|base| !base.is_empty() && same_noun(base, noun)) || is_noun(name, noun)))
        .or_else(|| is(5, input.is_required && base == Some("")))
        .or_else(|| is(6, input.is_required && base.is_some() && input.place != Place::Header))
}

fn labels(operation: &Operation) -> impl Iterator<Item = Input> {
    let template = operation.route.map_or("", |(_, template)| template);
    let path = template.split('?').next().unwrap_or_default();
    path.split('/').filter_map(|segment| {
        let label = segment.strip_prefix('{')?.strip_suffix('}')?;
        let name = label.strip_suffix('+').unwrap_or(label);
        Some(Input { name, place: Place::Label, is_list: false, is_required: true })
    })
}

/// In small letters, without what parts words.
pub(super) fn plain(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '-' | '_' | '.')).map(|c| c.to_ascii_lowercase()).collect()
}

/// What a member's name says beside that it is a name.
fn base(name: &str) -> Option<&str> {
    let name = name.strip_suffix('s').unwrap_or(name);
    ["identifier", "name", "arn", "url", "id"].into_iter().find_map(|suffix| name.strip_suffix(suffix))
}

/// `dbinstances` of `DescribeDBInstances`.
fn noun(operation: &str) -> String {
    let verb =
        operation.char_indices().skip(1).find(|(_, c)| c.is_ascii_uppercase()).map_or(operation.len(), |(at, _)| at);
    plain(operation.get(verb..).unwrap_or_default())
}

fn same_noun(name: &str, noun: &str) -> bool {
    let singular = |word: &str| -> String {
        match (word.strip_suffix("ies"), word.strip_suffix('s')) {
            (Some(stem), _) => format!("{stem}y"),
            (_, Some(stem)) => stem.to_owned(),
            _ => word.to_owned(),
        }
    };
    !noun.is_empty() && singular(name) == singular(noun)
}

/// Whether a member is called as the noun itself, as `service` of UpdateService, and holds no text of its own (a policy, a pattern).
fn is_noun(name: &str, noun: &str) -> bool {
    same_noun(name, noun) && !TEXTS.iter().any(|text| name.ends_with(text))
}

const OWN: u8 = 0;
/// No request is asked for more names than this.
const MOST_WAYS: usize = 4;

/// As people call resources, whatever the service and the operation: the first of a request counts.
const KNOWN: &[&str] = &[
    "bucket",
    "bucketname",
    "tablename",
    "tablearn",
    "queueurl",
    "queuename",
    "functionname",
    "streamname",
    "streamarn",
    "topicarn",
    "keyid",
    "secretid",
    "deliverystreamname",
    "statemachinearn",
    "loggroupname",
    "loggroupidentifier",
    "clustername",
    "clusterarn",
    "clusteridentifier",
    "dbinstanceidentifier",
    "dbclusteridentifier",
    "rolename",
    "eventbusname",
    "userpoolid",
    "restapiid",
    "apiid",
    "repositoryname",
];

/// Members that name any kind of resource.
const ANY: &[&str] = &["resourcearn", "resourcearns", "resourceid", "resourceidentifier", "resourcename"];

/// Who calls, how often, and what is used besides.
const NEVER: &[&str] = &[
    "accountid",
    "accountids",
    "awsaccountid",
    "catalogid",
    "clientid",
    "clientrequestid",
    "clientrequesttoken",
    "clienttoken",
    "contenttype",
    "executionrolearn",
    "externalid",
    "iamrolearn",
    "kmskeyarn",
    "kmskeyid",
    "ownerid",
    "owneraccountid",
    "region",
    "regionname",
    "requestid",
    "rolearn",
    "servicerolearn",
    "subnetids",
    "securitygroupids",
    "tagkeys",
    "transactionid",
    "vpcid",
];

/// Nouns that are contents, not names.
const TEXTS: &[&str] =
    &["command", "expression", "message", "pattern", "policy", "query", "statement", "template", "token"];

/// What the rules would get wrong: a service's own members, or paths for one of its operations.
struct Exception {
    service: &'static str,
    /// `*`: members that go before all others in every operation.
    operation: &'static str,
    members: &'static [&'static str],
}

const fn of(service: &'static str, operation: &'static str, members: &'static [&'static str]) -> Exception {
    Exception { service, operation, members }
}

const EXCEPTIONS: &[Exception] = &[
    of("athena", "*", &["TableName", "WorkGroup"]),
    of("autoscaling", "*", &["AutoScalingGroupName", "AutoScalingGroupNames"]),
    of("batch", "SubmitJob", &["jobQueue"]),
    of("cloudformation", "*", &["StackName", "StackId"]),
    of("cloudwatch", "*", &["AlarmName", "AlarmNames", "Namespace"]),
    of("cognito-idp", "*", &["UserPoolId", "ClientId"]),
    // Whoever knows the id may ask for the credentials.
    of("container-credentials", "GetCredentials", &[]),
    of("dynamodb", "BatchGetItem", &["RequestItems{}"]),
    of("dynamodb", "BatchWriteItem", &["RequestItems{}"]),
    of("dynamodb", "ImportTable", &["TableCreationParameters.TableName"]),
    of("dynamodb", "TransactGetItems", &["TransactItems[].Get.TableName"]),
    of("dynamodb", "TransactWriteItems", &["TransactItems[].*.TableName"]),
    of("ecs", "*", &["service", "serviceName", "services", "clusterName", "clusters", "cluster"]),
    of("events", "*", &["Name", "Rule", "EventBusName"]),
    of("events", "PutEvents", &["Entries[].EventBusName"]),
    of("glue", "CreateTable", &["TableInput.Name"]),
    of("glue", "UpdateTable", &["TableInput.Name"]),
    of("iam", "*", &["RoleName", "UserName", "GroupName", "PolicyArn", "PolicyName"]),
    of("kinesis", "*", &["StreamName", "StreamARN", "ConsumerARN", "ResourceARN"]),
    of("kms", "*", &["KeyId", "AliasName"]),
    of("logs", "*", &["logGroupName", "logGroupIdentifier", "logGroupNames", "logGroupIdentifiers"]),
    of("secretsmanager", "*", &["SecretId", "Name"]),
    of("sns", "*", &["TopicArn", "TargetArn"]),
    of("ssm", "*", &["Name", "Names", "Path"]),
    of("stepfunctions", "*", &["stateMachineArn", "executionArn", "activityArn"]),
    of("sts", "*", &["RoleArn"]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::catalog;

    fn members(service: &str, operation: &str) -> Vec<&'static str> {
        let service = catalog::service(service).unwrap();
        let operation = service.operation(operation).unwrap();
        ways(service.name, operation).iter().map(|way| way.member).collect()
    }

    #[test]
    fn what_people_name_is_what_is_chosen() {
        for (service, operation, first) in [
            ("apigateway", "GetStage", "restapi_id"),
            ("batch", "SubmitJob", "jobQueue"),
            ("bedrock-runtime", "InvokeModel", "modelId"),
            ("cloudwatch", "PutMetricData", "Namespace"),
            ("dynamodb", "BatchWriteItem", "RequestItems{}"),
            ("dynamodb", "PutItem", "TableName"),
            ("ec2", "TerminateInstances", "InstanceId"),
            ("ecr", "PutImage", "repositoryName"),
            ("ecs", "RunTask", "cluster"),
            ("ecs", "UpdateService", "service"),
            ("elasticache", "ModifyCacheCluster", "CacheClusterId"),
            ("events", "PutEvents", "Entries[].EventBusName"),
            ("events", "PutTargets", "Rule"),
            ("firehose", "PutRecord", "DeliveryStreamName"),
            ("glue", "GetPartition", "TableName"),
            ("iam", "AttachRolePolicy", "RoleName"),
            ("kinesis", "PutRecord", "StreamName"),
            ("kms", "Decrypt", "KeyId"),
            ("lambda", "CreateAlias", "FunctionName"),
            ("lambda", "Invoke", "FunctionName"),
            ("logs", "PutLogEvents", "logGroupName"),
            ("rds", "CreateDBSnapshot", "DBInstanceIdentifier"),
            ("route53", "ChangeResourceRecordSets", "Id"),
            ("s3control", "GetAccessPoint", "name"),
            ("sagemaker-runtime", "InvokeEndpoint", "EndpointName"),
            ("secretsmanager", "GetSecretValue", "SecretId"),
            ("sns", "Publish", "TopicArn"),
            ("sqs", "CreateQueue", "QueueName"),
            ("sqs", "SendMessage", "QueueUrl"),
            ("ssm", "GetParameter", "Name"),
            ("stepfunctions", "StartExecution", "stateMachineArn"),
            ("sts", "AssumeRole", "RoleArn"),
        ] {
            assert_eq!(members(service, operation).first(), Some(&first), "{service} {operation}");
        }
    }

    #[test]
    fn who_calls_and_what_is_written_names_no_resource() {
        for (service, operation) in
            [("sts", "GetCallerIdentity"), ("ecs", "ListTaskDefinitions"), ("sts", "DecodeAuthorizationMessage")]
        {
            assert!(members(service, operation).is_empty(), "{service} {operation}");
        }
        assert!(!members("events", "TestEventPattern").contains(&"EventPattern"));
        assert!(!members("ec2", "CreateFlowLogs").contains(&"ClientToken"));
    }

    #[test]
    fn the_outermost_label_comes_first() {
        assert_eq!(members("lambda", "GetAlias"), ["FunctionName", "Name"]);
        assert_eq!(members("eks", "DescribeNodegroup"), ["name", "nodegroupName"]);
        assert_eq!(members("route53", "ChangeTagsForResource"), ["ResourceId"]);
    }

    #[test]
    fn every_exception_is_about_what_exists_and_changes_what_the_rules_say() {
        for exception in EXCEPTIONS {
            let service = catalog::service(exception.service).unwrap();
            if exception.operation != "*" {
                assert!(service.operation(exception.operation).is_some(), "{}", exception.operation);
                continue;
            }
            for member in exception.members {
                let known = service.operations().iter().flat_map(|o| &o.inputs).any(|input| input.name == *member);
                assert!(known, "{} {member}", exception.service);
            }
        }
    }
}
