//! What policies say, by the IAM guide's rules and API Gateway's examples.

use serde_json::json;

use super::*;

const ARN: &str = "arn:aws:execute-api:eu-west-1:123456789012:api/prod/GET/pets/7";
const PREFIX: &str = "arn:aws:execute-api:eu-west-1:123456789012:api/";

fn effect(document: Value, principal: Option<&str>, keys: &[(&str, &'static str)]) -> Effect {
    let key = |name: &str| keys.iter().find(|(known, _)| *known == name).map(|(_, value)| Cow::Borrowed(*value));
    let policy = Policy::parse(&document, Some(PREFIX)).unwrap();
    policy.evaluate(&Access { action: "execute-api:Invoke", resource: ARN, principal, key: &key })
}

fn statement(effect: &str, more: Value) -> Value {
    let mut statement = json!({"Effect": effect, "Action": "execute-api:Invoke", "Resource": "*"});
    statement.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"Version": "2012-10-17", "Statement": [statement]})
}

#[test]
fn an_explicit_denial_wins_in_any_order() {
    let allow = json!({"Effect": "Allow", "Action": "*", "Resource": "*"});
    let deny = json!({"Effect": "Deny", "Action": "execute-api:*", "Resource": "*/GET/pets/*"});
    for statements in [json!([allow, deny]), json!([deny, allow])] {
        assert_eq!(effect(json!({"Statement": statements}), None, &[]), Effect::Deny);
    }
    assert_eq!(effect(json!({"Statement": allow}), None, &[]), Effect::Allow);
    assert_eq!(effect(json!({"Statement": []}), None, &[]), Effect::Neither);
}

#[test]
fn resources_match_with_wildcards_and_in_short() {
    for (resource, matches) in [
        ("execute-api:/*", true),
        ("execute-api:/prod/GET/pets/?", true),
        ("execute-api:/prod/POST/*", false),
        ("arn:aws:execute-api:*:*:*/*/GET/*", true),
        ("arn:aws:execute-api:eu-west-1:123456789012:other/*", false),
        ("execute-api:/prod/get/pets/7", false),
    ] {
        let found = effect(statement("Allow", json!({"Resource": resource})), None, &[]);
        assert_eq!(found == Effect::Allow, matches, "{resource}");
    }
    let document = json!({"Statement": {"Effect": "Allow", "NotAction": "s3:*", "NotResource": "execute-api:/prod/POST/*"}});
    assert_eq!(effect(document, None, &[]), Effect::Allow);
}

#[test]
fn principals_are_meant_by_name_account_or_all() {
    let user = Some("arn:aws:iam::123456789012:user/ada");
    let session = Some("arn:aws:sts::123456789012:assumed-role/deploy/one");
    for (principal, caller, meant) in [
        (json!("*"), None, true),
        (json!({"AWS": "*"}), None, true),
        (json!({"AWS": "123456789012"}), user, true),
        (json!({"AWS": "123456789012"}), None, false),
        (json!({"AWS": ["arn:aws:iam::123456789012:root"]}), user, true),
        (json!({"AWS": "arn:aws:iam::123456789012:user/bob"}), user, false),
        (json!({"AWS": "arn:aws:iam::123456789012:role/deploy"}), session, true),
        (json!({"Service": "apigateway.amazonaws.com"}), user, false),
    ] {
        let found = effect(statement("Allow", json!({"Principal": principal})), caller, &[]);
        assert_eq!(found == Effect::Allow, meant, "{principal} {caller:?}");
    }
    let not = statement("Deny", json!({"NotPrincipal": {"AWS": "arn:aws:iam::123456789012:user/ada"}}));
    assert_eq!((effect(not.clone(), user, &[]), effect(not, None, &[])), (Effect::Neither, Effect::Deny));
}

#[test]
fn what_cannot_be_read_is_refused() {
    for document in [
        json!("*"),
        json!({}),
        json!({"Version": "2020-01-01", "Statement": []}),
        json!({"Statement": {"Effect": "allow", "Action": "*", "Resource": "*"}}),
        json!({"Statement": {"Effect": "Deny", "Resource": "*"}}),
        json!({"Statement": {"Effect": "Deny", "Action": "*", "NotAction": "*", "Resource": "*"}}),
        statement("Deny", json!({"Condition": {"StringMatches": {"aws:Referer": "x"}}})),
        statement("Deny", json!({"Condition": {"IpAddress": {"aws:SourceIp": "300.0.0.1"}}})),
        statement("Deny", json!({"Conditions": {}})),
    ] {
        assert!(Policy::parse(&document, Some(PREFIX)).is_err(), "{document}");
    }
}

#[test]
fn conditions_must_all_hold() {
    let office =
        json!({"Condition": {"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "2001:db8::/32"]}, "Bool": {"aws:SecureTransport": "true"}}});
    let document = statement("Allow", office);
    let ask =
        |ip: &'static str, secure: &'static str| effect(document.clone(), None, &[("aws:sourceip", ip), ("aws:securetransport", secure)]);
    assert_eq!((ask("10.1.2.3", "true"), ask("2001:db8::1", "true")), (Effect::Allow, Effect::Allow));
    assert_eq!((ask("10.1.2.3", "false"), ask("11.1.2.3", "true")), (Effect::Neither, Effect::Neither));
}

const ADA: &str = "arn:aws:iam::123456789012:user/ada";

/// The examples of API Gateway's guide (`apigateway-resource-policies-examples`), with what it says of each.
#[test]
fn the_guides_examples_mean_what_it_says() {
    let roles = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow",
        "Principal": {"AWS": ["arn:aws:iam::987654321098:role/developer", "arn:aws:iam::987654321098:role/Admin"]},
        "Action": "execute-api:Invoke", "Resource": ["execute-api:/stage/GET/pets", "execute-api:/prod/GET/pets/*"]}]});
    assert_eq!(effect(roles.clone(), Some("arn:aws:sts::987654321098:assumed-role/Admin/session"), &[]), Effect::Allow);
    assert_eq!(effect(roles.clone(), Some("arn:aws:sts::987654321098:assumed-role/Other/session"), &[]), Effect::Neither);
    assert_eq!(effect(roles, None, &[]), Effect::Neither);

    let deny_ip = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*"},
        {"Effect": "Deny", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*",
         "Condition": {"NotIpAddress": {"aws:SourceIp": ["192.0.2.0/24", "198.51.100.0/24"]}}}]});
    assert_eq!(effect(deny_ip.clone(), None, &[("aws:sourceip", "192.0.2.77")]), Effect::Allow);
    assert_eq!(effect(deny_ip.clone(), None, &[("aws:sourceip", "203.0.113.1")]), Effect::Deny);
    assert_eq!(effect(deny_ip, None, &[]), Effect::Deny, "an address that is not known is outside of every range");

    let private = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Deny", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*",
         "Condition": {"StringNotEquals": {"aws:SourceVpc": "vpc-1a2b3c4d"}}},
        {"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*"}]});
    assert_eq!(effect(private, None, &[]), Effect::Deny, "no request here comes from a VPC");
}

/// `reference_policies_evaluation-logic`: an explicit denial, else an allowance, else nothing; every element of a statement counts.
#[test]
fn every_element_of_a_statement_counts() {
    let ask = |statement: Value| effect(json!({"Version": "2012-10-17", "Statement": statement}), Some(ADA), &[("aws:username", "ada")]);
    for (statement, expected) in [
        (json!({"Effect": "Allow", "Action": "execute-api:*", "Resource": "*"}), Effect::Allow),
        (json!({"Effect": "Allow", "Action": "EXECUTE-API:invoke", "Resource": "*"}), Effect::Allow),
        (json!({"Effect": "Allow", "Action": "execute-api:Inv?ke", "Resource": "*"}), Effect::Allow),
        (json!({"Effect": "Allow", "Action": "execute-api:ManageConnections", "Resource": "*"}), Effect::Neither),
        (json!({"Effect": "Allow", "NotAction": "execute-api:Invoke", "Resource": "*"}), Effect::Neither),
        (json!({"Effect": "Deny", "NotAction": "execute-api:ManageConnections", "Resource": "*"}), Effect::Deny),
        (json!({"Effect": "Allow", "Action": "*", "NotResource": "*/GET/pets/*"}), Effect::Neither),
        (json!({"Effect": "Deny", "Action": "*", "NotResource": "*/GET/dogs/*"}), Effect::Deny),
        (json!({"Effect": "Deny", "Action": "*", "Resource": []}), Effect::Neither),
        (
            json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"StringEquals": {"aws:username": ["bob", "ada"]}}}),
            Effect::Allow,
        ),
        (
            json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"StringEquals": {"aws:username": "ada", "aws:userid": "x"}}}),
            Effect::Neither,
        ),
        (json!({"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}), Effect::Allow),
        (json!({"Effect": "Allow", "NotPrincipal": {"AWS": ADA}, "Action": "*", "Resource": "*"}), Effect::Neither),
        (
            json!({"Effect": "Deny", "Principal": {"AWS": "arn:aws-cn:iam::123456789012:root"}, "Action": "*", "Resource": "*"}),
            Effect::Deny,
        ),
        (
            json!([{"Effect": "Allow", "Action": "*", "Resource": "*"}, {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}]),
            Effect::Allow,
        ),
    ] {
        assert_eq!(ask(statement.clone()), expected, "{statement}");
    }
}

#[test]
fn what_would_silently_mean_nobody_or_everything_is_refused() {
    for document in [
        statement("Deny", json!({"Principal": {"AWS": "arn:aws:iam::123456789012:user/*"}})),
        statement("Deny", json!({"Principal": {"AWS": "ada"}})),
        statement("Deny", json!({"Principal": "arn:aws:iam::123456789012:user/ada"})),
        statement("Deny", json!({"Principal": {"Users": ADA}})),
        statement("Deny", json!({"Resource": "*/${aws:username"})),
        json!({"Statement": {"Effect": "Allow", "Action": "*"}}),
    ] {
        assert!(Policy::parse(&document, Some(PREFIX)).is_err(), "{document}");
    }
    assert!(Policy::parse(&statement("Allow", json!({"Resource": "execute-api:/prod/*"})), None).is_err(), "whose would that be?");
}
