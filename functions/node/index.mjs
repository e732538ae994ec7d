// Answers with what it was asked with.
export const handler = async (event, context) => {
  const name = event.queryStringParameters?.name ?? 'world';
  const body = { hello: name, from: 'node', function: context.functionName };
  return { statusCode: 200, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) };
};

// What it writes goes to the client at once, where the integration's `responseTransferMode` is STREAM.
export const counter = awslambda.streamifyResponse(async (event, stream) => {
  const out = awslambda.HttpResponseStream.from(stream, { statusCode: 200, headers: { 'Content-Type': 'text/plain' } });
  for (let second = 3; second > 0; second -= 1) {
    out.write(`${second} …\n`);
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  out.write('done\n');
  out.end();
});
