"""Answers with the time that is left and what it was asked with."""
import json


def handler(event, context):
    name = (event.get("queryStringParameters") or {}).get("name", "world")
    body = {"hello": name, "from": "python", "function": context.function_name}
    return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": json.dumps(body)}
