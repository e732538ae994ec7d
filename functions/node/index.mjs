// Answers with what it was asked with.
export const handler = async (event, context) => {
  const name = event.queryStringParameters?.name ?? 'world';
  const body = { hello: name, from: 'node', function: context.functionName };
  return { statusCode: 200, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) };
};
