// Runs a Node.js handler against the Lambda Runtime API. No packages: only `http`, and no time-outs.
'use strict';

const http = require('http');
const fs = require('fs');
const path = require('path');
const { Writable } = require('stream');
const { pathToFileURL } = require('url');

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(':');
const root = '/2018-06-01/runtime';
const agent = new http.Agent({ keepAlive: true, maxSockets: 2 });

// What a streaming handler writes to: its bytes go out as they come.
const streaming = Symbol('streaming');
globalThis.awslambda = {
  streamifyResponse(handler) {
    handler[streaming] = true;
    return handler;
  },
  HttpResponseStream: {
    from(stream, metadata) {
      stream.setContentType('application/vnd.awslambda.http-integration-response');
      stream.write(JSON.stringify(metadata));
      stream.write(Buffer.alloc(8));
      return stream;
    },
  },
};

function call(method, suffix, body, headers) {
  return new Promise((resolve, reject) => {
    const request = http.request({ host, port, agent, method, path: root + suffix, headers }, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('end', () => resolve({ headers: response.headers, body: Buffer.concat(parts) }));
    });
    request.on('error', reject);
    request.setTimeout(0);
    request.end(body);
  });
}

function failure(error) {
  if (error instanceof Error) {
    return { errorType: error.name, errorMessage: error.message, trace: String(error.stack || '').split('\n') };
  }
  return { errorType: typeof error, errorMessage: String(error), trace: [] };
}

function post(suffix, report, kind) {
  const headers = { 'Content-Type': 'application/json', 'Lambda-Runtime-Function-Error-Type': kind };
  return call('POST', suffix, JSON.stringify(report), headers);
}

async function load() {
  const name = process.env._HANDLER;
  const dot = name.lastIndexOf('.');
  const [file, member] = [name.slice(0, dot), name.slice(dot + 1)];
  const base = path.resolve(process.env.LAMBDA_TASK_ROOT, file);
  const found = ['.js', '.mjs', '.cjs', '/index.js', '/index.mjs', '/index.cjs'].map((ending) => base + ending).find((each) => fs.existsSync(each));
  if (dot < 1 || !found) {
    const error = new Error(`Cannot find module '${file}'`);
    error.name = 'Runtime.ImportModuleError';
    throw error;
  }
  const loaded = await import(pathToFileURL(found).href);
  const handler = loaded[member] ?? loaded.default?.[member];
  if (typeof handler !== 'function') {
    const error = new Error(`${name} is undefined or not exported`);
    error.name = 'Runtime.HandlerNotFound';
    throw error;
  }
  return handler;
}

function parsed(text) {
  return text === undefined ? undefined : JSON.parse(text);
}

function contextOf(headers, settle) {
  const deadline = Number(headers['lambda-runtime-deadline-ms']);
  return {
    awsRequestId: headers['lambda-runtime-aws-request-id'],
    invokedFunctionArn: headers['lambda-runtime-invoked-function-arn'],
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: parsed(headers['lambda-runtime-client-context']),
    identity: parsed(headers['lambda-runtime-cognito-identity']),
    callbackWaitsForEmptyEventLoop: true,
    getRemainingTimeInMillis: () => Math.max(0, deadline - Date.now()),
    done: (error, result) => settle(error, result, true),
    succeed: (result) => settle(null, result, true),
    fail: (error) => settle(error ?? 'handled', undefined, true),
  };
}

// Resolves with what the handler returns, promises, or calls back with: at once, or when nothing is left to do.
function run(handler, event, headers) {
  return new Promise((resolve, reject) => {
    const idle = () => resolve(undefined);
    const settled = (act) => {
      process.removeListener('beforeExit', idle);
      act();
    };
    const settle = (error, result, now) => {
      if (error !== null && error !== undefined) return settled(() => reject(error));
      if (now || !context.callbackWaitsForEmptyEventLoop) return settled(() => resolve(result));
      settled(() => process.once('beforeExit', () => resolve(result)));
    };
    const context = contextOf(headers, settle);
    // A handler that neither returned nor called back, with nothing left to do, has returned nothing.
    process.once('beforeExit', idle);
    const returned = handler(event, context, (error, result) => settle(error, result, false));
    if (returned && typeof returned.then === 'function') {
      returned.then((result) => settled(() => resolve(result)), (error) => settled(() => reject(error)));
    } else if (handler.length < 3 && returned !== undefined) {
      settled(() => resolve(returned));
    }
  });
}

async function stream(handler, event, headers, suffix) {
  let type = 'application/octet-stream';
  let request = null;
  let late = null;
  const ended = new Promise((resolve, reject) => {
    const begin = () => {
      if (request) return request;
      request = http.request(
        {
          host,
          port,
          agent,
          method: 'POST',
          path: `${root}${suffix}/response`,
          headers: {
            'Content-Type': type,
            'Lambda-Runtime-Function-Response-Mode': 'streaming',
            'Transfer-Encoding': 'chunked',
            Trailer: 'Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body',
          },
        },
        (response) => response.resume().on('end', resolve),
      );
      request.on('error', reject);
      return request;
    };
    const out = new Writable({
      write: (part, _encoding, done) => begin().write(part, done),
      final: (done) => {
        begin();
        if (late) {
          request.addTrailers({
            'Lambda-Runtime-Function-Error-Type': late.errorType,
            'Lambda-Runtime-Function-Error-Body': Buffer.from(JSON.stringify(late)).toString('base64'),
          });
        }
        request.end(done);
      },
    });
    out.setContentType = (wanted) => (type = wanted);
    out.on('error', () => {});
    Promise.resolve()
      .then(() => handler(event, out, contextOf(headers, () => {})))
      .catch((error) => {
        if (!request) return reject(error);
        // What is written cannot be taken back; what failed is told behind it.
        late = failure(error);
        out.end();
      });
  });
  await ended;
}

// What nobody caught ends the process; the caller is told what it was.
let current = null;
function ends(kind, code) {
  return (error) => {
    const report = { ...failure(error), errorType: kind ?? failure(error).errorType };
    if (kind) report.errorMessage = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    const told = current ? post(`${current}/error`, report, report.errorType) : post('/init/error', report, report.errorType);
    told.then(() => process.exit(code), () => process.exit(code));
  };
}
process.on('unhandledRejection', ends('Runtime.UnhandledPromiseRejection', 128));
process.on('uncaughtException', ends(null, 129));

async function main() {
  let handler;
  try {
    handler = await load();
  } catch (error) {
    const report = failure(error);
    await post('/init/error', report, report.errorType);
    process.exit(1);
  }
  for (;;) {
    const next = await call('GET', '/invocation/next');
    const suffix = `/invocation/${next.headers['lambda-runtime-aws-request-id']}`;
    current = suffix;
    process.env._X_AMZN_TRACE_ID = next.headers['lambda-runtime-trace-id'] ?? '';
    try {
      const event = JSON.parse(next.body.toString());
      if (handler[streaming]) {
        await stream(handler, event, next.headers, suffix);
        continue;
      }
      const result = await run(handler, event, next.headers);
      const text = JSON.stringify(result === undefined ? null : result);
      await call('POST', `${suffix}/response`, text, { 'Content-Type': 'application/json' });
    } catch (error) {
      await post(`${suffix}/error`, failure(error), 'Function.Unhandled');
    } finally {
      current = null;
    }
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
