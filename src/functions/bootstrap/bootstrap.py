"""Runs a Python handler against the Lambda Runtime API."""
import http.client
import importlib
import json
import logging
import os
import sys
import time
import traceback

API = os.environ["AWS_LAMBDA_RUNTIME_API"]
ROOT = "/2018-06-01/runtime"


class Identity:
    def __init__(self, text):
        members = json.loads(text) if text else {}
        self.cognito_identity_id = members.get("cognitoIdentityId")
        self.cognito_identity_pool_id = members.get("cognitoIdentityPoolId")


class ClientContext:
    def __init__(self, members):
        self.custom = members.get("custom")
        self.env = members.get("env")
        self.client = type("Client", (), members.get("client") or {})()


class Context:
    def __init__(self, headers):
        self.aws_request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        self.invoked_function_arn = headers["Lambda-Runtime-Invoked-Function-Arn"]
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.identity = Identity(headers.get("Lambda-Runtime-Cognito-Identity"))
        client_context = headers.get("Lambda-Runtime-Client-Context")
        self.client_context = ClientContext(json.loads(client_context)) if client_context else None
        self._deadline = int(headers["Lambda-Runtime-Deadline-Ms"])

    def get_remaining_time_in_millis(self):
        return max(0, self._deadline - int(time.time() * 1000))


class Lines(logging.Handler):
    """The root handler that Lambda has: each line with the id of its request."""

    request_id = ""

    def __init__(self):
        super().__init__()
        line = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s"
        self.setFormatter(logging.Formatter(line, "%Y-%m-%dT%H:%M:%S"))
        self.formatter.converter = time.gmtime

    def emit(self, record):
        record.aws_request_id = Lines.request_id
        sys.stdout.write(self.format(record) + "\n")


connection = http.client.HTTPConnection(API, timeout=None)


def call(method, path, body=None, headers=None):
    connection.request(method, ROOT + path, body, headers or {})
    answer = connection.getresponse()
    return answer, answer.read()


def failure(error, request_id=""):
    lines = traceback.format_exception(type(error), error, error.__traceback__)[1:-1]
    return {
        "errorMessage": str(error),
        "errorType": type(error).__name__,
        "requestId": request_id,
        "stackTrace": [line for line in lines if __file__ not in line],
    }


def post(path, error, kind):
    headers = {"Content-Type": "application/json", "Lambda-Runtime-Function-Error-Type": kind}
    call("POST", path, json.dumps(error).encode(), headers)


def load():
    sys.path.insert(0, os.environ["LAMBDA_TASK_ROOT"])
    name = os.environ["_HANDLER"]
    module, dot, function = name.rpartition(".")
    if not dot:
        raise ValueError("Bad handler '%s': not enough values to unpack (expected 2, got 1)" % name)
    module = module.replace("/", ".")
    try:
        loaded = importlib.import_module(module)
    except ImportError as error:
        raise Refused("Runtime.ImportModuleError", "Unable to import module '%s': %s" % (module, error)) from error
    except SyntaxError as error:
        raise Refused("Runtime.UserCodeSyntaxError", "Syntax error in module '%s': %s" % (module, error)) from error
    if not hasattr(loaded, function):
        raise Refused("Runtime.HandlerNotFound", "Handler '%s' missing on module '%s'" % (function, module))
    return getattr(loaded, function)


class Refused(Exception):
    def __init__(self, kind, message):
        super().__init__(message)
        self.kind = kind


def main():
    sys.stdout.reconfigure(line_buffering=True)
    logging.getLogger().addHandler(Lines())
    try:
        handler = load()
    except SystemExit:
        raise
    except BaseException as error:
        report = failure(error)
        report["errorType"] = getattr(error, "kind", report["errorType"])
        post("/init/error", report, report["errorType"])
        sys.exit(1)
    while True:
        answer, body = call("GET", "/invocation/next")
        context = Context(answer.headers)
        request_id = Lines.request_id = context.aws_request_id
        os.environ["_X_AMZN_TRACE_ID"] = answer.headers.get("Lambda-Runtime-Trace-Id", "")
        try:
            result = handler(json.loads(body), context)
        except Exception as error:
            post("/invocation/%s/error" % request_id, failure(error, request_id), "Function." + type(error).__name__)
            continue
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
        try:
            text = json.dumps(result, ensure_ascii=False).encode()
        except Exception as error:
            report = {
                "errorMessage": "Unable to marshal response: %s" % error,
                "errorType": "Runtime.MarshalError",
                "requestId": request_id,
                "stackTrace": [],
            }
            post("/invocation/%s/error" % request_id, report, "Runtime.MarshalError")
            continue
        call("POST", "/invocation/%s/response" % request_id, text, {"Content-Type": "application/json"})


main()
