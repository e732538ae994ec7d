"""Runs a definition against moto, an implementation of AWS's services that is not ours: `make moto`.

    run.py PATH-OF-HEADGATE

What a request does is looked up at moto itself, through AWS's own SDK, and not believed because of the answer.
"""
import contextlib
import http.client
import io
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import zipfile

import boto3

ACCOUNT, REGION = "123456789012", "us-east-1"
HERE = pathlib.Path(__file__).resolve().parent
MACHINE = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 3600, "End": True}}}


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def ask(port, method, path, body=None, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    with contextlib.suppress(ValueError):
        content = json.loads(content)
    return answer.status, content


def wait_for(what, port, path, process):
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if process.poll() is not None:
            sys.exit(f"{what} ended with {process.returncode}")
        with contextlib.suppress(OSError):
            if ask(port, "GET", path)[0] == 200:
                return
        time.sleep(0.05)
    sys.exit(f"{what} was not ready within 30 s")


@contextlib.contextmanager
def running(command, **options):
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, **options)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()


def package():
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("app.py", "def handler(event, context):\n    return event\n")
    return content.getvalue()


class Services:
    """What is set up at moto, and looked up there."""

    def __init__(self, port):
        self.port = port
        client = lambda name: boto3.client(name, region_name=REGION, endpoint_url=f"http://127.0.0.1:{port}")
        self.tables, self.queues, self.machines = client("dynamodb"), client("sqs"), client("stepfunctions")
        self.topics, self.streams, self.functions, self.roles = client("sns"), client("kinesis"), client("lambda"), client("iam")
        role = self.roles.create_role(RoleName="api", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        key = {"AttributeName": "id"}
        self.tables.create_table(TableName="orders", BillingMode="PAY_PER_REQUEST", KeySchema=[{**key, "KeyType": "HASH"}],
                                 AttributeDefinitions=[{**key, "AttributeType": "S"}])
        self.queue = self.queues.create_queue(QueueName="orders")["QueueUrl"]
        self.told = self.queues.create_queue(QueueName="told")["QueueUrl"]
        self.topic = self.topics.create_topic(Name="orders")["TopicArn"]
        self.topics.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:{ACCOUNT}:told")
        self.streams.create_stream(StreamName="orders", ShardCount=1)
        self.machines.create_state_machine(name="orders", definition=json.dumps(MACHINE), roleArn=role)
        self.functions.create_function(FunctionName="orders", Runtime="python3.12", Role=role, Handler="app.handler",
                                       Code={"ZipFile": package()})
        # No containers: what the function returns is set instead.
        self.use_containers(False)
        result = json.dumps({"statusCode": 203, "headers": {"X-Own": "yes"}, "body": "returned"})
        done = ask(port, "POST", "/moto-api/static/lambda-simple/response", json.dumps({"results": [result]}))
        assert done[0] in (200, 201), done

    def use_containers(self, use):
        """Without them, moto answers for functions that it does not have, too."""
        assert ask(self.port, "POST", "/moto-api/config", json.dumps({"lambda": {"use_docker": use}}))[0] in (200, 201)

    def messages(self, queue):
        found = self.queues.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", [])
        for message in found:
            self.queues.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return [message["Body"] for message in found]

    def records(self):
        shard = self.streams.describe_stream(StreamName="orders")["StreamDescription"]["Shards"][0]["ShardId"]
        iterator = self.streams.get_shard_iterator(StreamName="orders", ShardId=shard, ShardIteratorType="TRIM_HORIZON")
        records = self.streams.get_records(ShardIterator=iterator["ShardIterator"])["Records"]
        return [(record["PartitionKey"], record["Data"].decode()) for record in records]

    def execution(self, name):
        return self.machines.describe_execution(executionArn=f"arn:aws:states:{REGION}:{ACCOUNT}:execution:orders:{name}")


def checks(gateway, services, said):
    """Each with its name: what is found and what should be."""
    json_type = {"Content-Type": "application/json"}
    prod = lambda method, path, body=None, **headers: ask(gateway, method, "/prod" + path, body, {**json_type, **headers})

    yield "an item is put", prod("PUT", "/orders/1", '{"item": "tea \\"green\\""}')[0], 200
    item = services.tables.get_item(TableName="orders", Key={"id": {"S": "1"}})["Item"]
    yield "the item is there", item, {"id": {"S": "1"}, "item": {"S": 'tea "green"'}}
    yield "a condition that fails", prod("PUT", "/orders/1", '{"item": "x"}'), (409, {"error": "ConditionalCheckFailedException"})
    yield "a body that fits no model", prod("PUT", "/orders/2", '{"count": 1}')[0], 400
    services.tables.put_item(TableName="orders", Item={"id": {"S": "7"}, "item": {"S": "milk"}})
    yield "an item is got", prod("GET", "/orders/7"), (200, {"id": "7", "item": "milk"})
    yield "no item is got", prod("GET", "/orders/8"), (404, {"error": "no such order"})
    yield "all items", len(prod("GET", "/orders")[1]), 2

    yield "a message by path", prod("POST", "/messages", '{"a": "1 & 2"}'), (200, {"sent": True})
    yield "the message is there", services.messages(services.queue), ['{"a": "1 & 2"}']
    status, answer = prod("POST", "/messages/direct", '{"message": "hello"}')
    yield "a message by subtype", (status, "MessageId" in answer), (200, True)
    yield "that message is there", services.messages(services.queue), ["hello"]
    yield "a notification", prod("POST", "/topics", '{"text": "news"}'), (200, {"published": True})
    yield "who subscribed was told", [json.loads(body)["Message"] for body in services.messages(services.told)], ["news"]
    yield "a record", prod("POST", "/records", '{"r": 1}', **{"x-key": "k"})[0], 200
    yield "the record is there", services.records(), [("k", '{"r": 1}')]

    status, answer = prod("POST", "/executions?name=one", '{"who": "it\'s me"}')
    arn = f"arn:aws:states:{REGION}:{ACCOUNT}:execution:orders:one"
    yield "an execution starts", (status, answer.get("executionArn")), (200, arn)
    yield "its input is there", json.loads(services.execution("one")["input"]), {"who": "it's me"}
    yield "it is described", prod("GET", "/executions/one"), (200, {"status": "RUNNING", "input": {"who": "it's me"}})
    yield "the same name again", prod("POST", "/executions?name=one", '{"who": "else"}'), (400, {"error": "ExecutionAlreadyExists"})
    yield "it is stopped", prod("DELETE", "/executions/one", **{"x-who": "test"})[0], 200
    stopped = services.execution("one")
    yield "it has stopped", (stopped["status"], stopped.get("cause", "by test")), ("ABORTED", "by test")

    yield "a function", prod("POST", "/function", "{}"), (203, b"returned")
    services.use_containers(True)
    yield "a function that is missing", prod("POST", "/function/missing", "{}")[0], 502
    yield "what is said of it", "(ResourceNotFoundException)" in said.read_text(), True


def main():
    binary = pathlib.Path(sys.argv[1]).resolve()
    moto_port, port, admin_port = free_ports(3)
    keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}
    os.environ.update(keys)
    with tempfile.TemporaryDirectory(prefix="headgate-moto-", ignore_cleanup_errors=True) as name:
        folder = pathlib.Path(name)
        log = open(folder / "log", "wb")
        with running([sys.executable, "-m", "moto.server", "-p", str(moto_port)], stdout=log, stderr=log) as moto:
            wait_for("moto", moto_port, "/moto-api/data.json", moto)
            services = Services(moto_port)
            variables = {"table": "orders", "queue": services.queue, "topic": services.topic, "machine": "orders", "function": "orders"}
            config = {
                "listeners": [{"address": f"127.0.0.1:{port}"}],
                "admin": {"address": f"127.0.0.1:{admin_port}"},
                "aws": {"assumeRoles": True, "region": REGION},
                "apis": [{"id": "orders", "definition": str(HERE / "definition.yaml"),
                          "stages": [{"stageName": "prod", "variables": variables}]}],
            }
            (folder / "gateway.yaml").write_text(json.dumps(config))
            # One variable is all that the SDK's users set.
            environment = {**os.environ, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{moto_port}"}
            said = open(folder / "said", "w+b")
            with running([str(binary), "run", "--config", "gateway.yaml"], cwd=folder, env=environment, stdout=said, stderr=said) as gateway:
                wait_for("headgate", admin_port, "/readyz", gateway)
                failed = 0
                for name, found, expected in checks(port, services, folder / "said"):
                    failed += found != expected
                    print(f"{'ok    ' if found == expected else 'FAILED'}  {name}" + ("" if found == expected else f": {found!r}, not {expected!r}"))
    print(f"{failed} failed" if failed else "all as it should be")
    sys.exit(1 if failed else 0)


main()
