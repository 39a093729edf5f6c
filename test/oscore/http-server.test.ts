import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, request as httpRequest, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import {
  allowTargets,
  Code,
  composeUri,
  Endpoint,
  findOption,
  type Handler,
  Method,
  OptionNumber,
  type Peer,
  type Proxying,
  ProxyServer,
  parseUri,
  pathOf,
  pathOptions,
  type Request,
  type Requester,
  type Response,
  stringOption,
  uintOption,
  uriOptions,
} from '../../src/coap/index.ts';
import { emptyBytes, fromUtf8, toHex, utf8 } from '../../src/core/bytes.ts';
import { systemEnv } from '../../src/core/env.ts';
import {
  ContextTable,
  composeHostingUri,
  deriveContext,
  type HttpRequest,
  type HttpResponse,
  OscoreError,
  oscore,
  parseHostingUri,
  requestFromHttp,
  requestToHttp,
  responseFromHttp,
  responseToHttp,
  type SecurityContext,
} from '../../src/oscore/index.ts';
import { udp } from '../../src/transport/index.ts';
import { SeededRandom } from '../support/random.ts';
import { ask, FakeStore, type Heard, mirrored, parameters } from './support.ts';

function layerOf(context: SecurityContext) {
  const contexts = new ContextTable();
  contexts.add(context);
  return oscore({ contexts, store: new FakeStore(), env: systemEnv });
}

async function bodyOf(message: IncomingMessage): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of message) chunks.push(chunk as Uint8Array);
  return new Uint8Array(Buffer.concat(chunks));
}

/** An HTTP client. */
async function send({ method, target, headers, body }: HttpRequest): Promise<HttpResponse> {
  const outgoing = httpRequest(target, { method, headers: { ...(headers as Record<string, string>) } });
  outgoing.end(body);
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage];
  return { status: incoming.statusCode!, reason: incoming.statusMessage ?? '', headers: incoming.headers, body: await bodyOf(incoming) };
}

/** An HTTP server that answers what `respond` says, and an error of the mapping by its status code. */
async function listen(respond: (request: HttpRequest) => Promise<HttpResponse>): Promise<{ server: Server; origin: string }> {
  const handler: RequestListener = async (incoming, outgoing) => {
    let answer: HttpResponse;
    try {
      const target = `${origin}${incoming.url}`;
      answer = await respond({ method: incoming.method!, target, headers: incoming.headers, body: await bodyOf(incoming) });
    } catch (error) {
      answer = { status: error instanceof OscoreError && error.code === 'ERR_OSCORE_HTTP_TYPE' ? 415 : 400, headers: {}, body: emptyBytes };
    }
    outgoing.writeHead(answer.status, answer.reason ?? '', { ...(answer.headers as Record<string, string>) });
    outgoing.end(answer.body);
  };
  const server = createServer((incoming, outgoing) => void handler(incoming, outgoing));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { server, origin };
}

async function heardOf(requester: Requester, message: Request): Promise<Heard> {
  return new Promise((resolve) => {
    const heard = ask(
      (request, listener) =>
        requester(request, {
          response: (response, last) => {
            listener.response(response, last);
            if (last) setImmediate(() => resolve(heard));
          },
          error: (error) => {
            listener.error(error);
            setImmediate(() => resolve(heard));
          },
        }),
      message,
    );
  });
}

test('RFC 8613 11.5: HTTP client, HTTP-to-CoAP proxy on node:http, our CoAP proxy, CoAP server', async (t) => {
  const context = deriveContext(parameters);
  const seen: Request[] = [];
  const large = new SeededRandom('large').bytes(900);
  const handler: Handler = (request, reply) => {
    seen.push(request);
    const path = pathOf(request.options).join('/');
    if (path === 'orders')
      reply.respond({ code: Code.Content, options: [uintOption(OptionNumber.ContentFormat, 0)], payload: utf8('Exterminate! Exterminate!') });
    else if (path === 'large') reply.respond({ code: Code.Content, options: [], payload: large });
    else reply.respond({ code: Code.NotFound, options: [], payload: emptyBytes });
  };
  const server = new Endpoint({ transport: await udp(), handler, layers: [layerOf(deriveContext(mirrored(parameters)))] });
  const serverUri = `coap://127.0.0.1:${server.local.port}`;
  const proxy = new Endpoint({ transport: await udp(), proxying: new ProxyServer({ forward: { allow: allowTargets('127.0.0.1:*') } }) });
  const onward = new Endpoint({ transport: await udp() });

  const web = await listen(async ({ target, ...request }) => {
    const uri = parseUri(parseHostingUri(`${web.origin}/hc/{+tu}`, target));
    const peer = await onward.resolve(uri.host, uri.port);
    const message = requestFromHttp(request, peer, uriOptions(uri, peer));
    return responseToHttp(await onward.request({ ...message, forwarded: true }, { proxy: `coap://127.0.0.1:${proxy.local.port}` }));
  });
  t.after(async () => {
    web.server.close();
    for (const endpoint of [server, proxy, onward]) await endpoint.close();
  });

  const passed: HttpRequest[] = [];
  const byHttp: Requester = (message, listener) => {
    const http = requestToHttp(message, composeHostingUri(`${web.origin}/hc/{+tu}`, composeUri(message.options, message.peer)));
    passed.push(http);
    send(http).then(
      (response) => listener.response(responseFromHttp(response), true),
      (error) => listener.error(error),
    );
    return () => {};
  };
  const requester = layerOf(context).outbound(byHttp);
  const peer: Peer = { key: serverUri, address: '127.0.0.1', port: server.local.port };
  const fetch = async (path: string, code: number = Method.GET, payload: Uint8Array = emptyBytes): Promise<Response> => {
    const heard = await heardOf(requester, { code, options: pathOptions([path]), payload, peer, association: context });
    assert.deepEqual(heard.errors, []);
    return heard.responses[0]!.response;
  };

  const orders = await fetch('orders');
  assert.deepEqual([orders.code, fromUtf8(orders.payload)], [Code.Content, 'Exterminate! Exterminate!']);
  assert.deepEqual(findOption(orders.options, OptionNumber.ContentFormat), uintOption(OptionNumber.ContentFormat, 0));
  assert.equal(orders.association, context);
  assert.deepEqual((await fetch('large', Method.POST, large)).payload, large);
  assert.deepEqual(seen.at(-1)!.payload, large);
  assert.equal((await fetch('nothing')).code, Code.NotFound);
  for (const { target, headers, body } of passed) {
    assert.equal(target, `${web.origin}/hc/${serverUri}/`);
    assert.equal(headers['content-type'], 'application/oscore');
    assert.equal(toHex(body).includes(toHex(utf8('orders'))), false);
  }

  // A replay, by somebody who kept a request: an error that nothing protects, mapped by RFC 8075.
  const replayed = await send(passed[0]!);
  assert.deepEqual([replayed.status, fromUtf8(replayed.body)], [403, 'Replay detected']);
  assert.deepEqual(responseFromHttp(replayed).code, Code.Forbidden);
  assert.equal(seen.length, 3);
  // Not of OSCORE, or of another type.
  assert.equal((await send({ ...passed[0]!, headers: { 'content-type': 'application/oscore' } })).status, 400);
  assert.equal((await send({ ...passed[0]!, headers: { ...passed[0]!.headers, 'content-type': 'text/plain' } })).status, 415);
  assert.equal((await send({ ...passed[0]!, target: `${web.origin}/hc/127.0.0.1/` })).status, 400);
});

test('RFC 8613 11.6: CoAP client, CoAP-to-HTTP proxy, HTTP server that ends OSCORE', async (t) => {
  const context = deriveContext(parameters);
  const seen: Request[] = [];
  const inbound = layerOf(deriveContext(mirrored(parameters))).inbound((request, reply) => {
    seen.push(request);
    reply.respond({ code: Code.Content, options: [uintOption(OptionNumber.ContentFormat, 0)], payload: utf8('Exterminate! Exterminate!') });
  });
  const client: Peer = { key: 'http client', address: '127.0.0.1', port: 0 };
  const web = await listen(
    (request) =>
      new Promise((resolve) => {
        inbound(requestFromHttp(request, client), {
          respond: (response) => resolve(responseToHttp(response)),
          notify: (response) => resolve(responseToHttp(response)),
          onCancel: () => {},
        });
      }),
  );
  const proxying: Proxying = {
    attach: () => {},
    route: (options) => ({ forward: findOption(options, OptionNumber.ProxyUri) !== undefined, options }),
    handler: (request, reply) => {
      send(requestToHttp(request)).then(
        (response) => reply.respond(responseFromHttp(response)),
        () => reply.respond({ code: Code.BadGateway, options: [], payload: emptyBytes }),
      );
    },
    stats: () => ({}),
    close: () => {},
  };
  const proxy = new Endpoint({ transport: await udp(), proxying });
  const endpoint = new Endpoint({ transport: await udp(), layers: [layerOf(context)] });
  t.after(async () => {
    web.server.close();
    for (const one of [proxy, endpoint]) await one.close();
  });

  const peer = await endpoint.resolve('127.0.0.1', proxy.local.port);
  const options = [stringOption(OptionNumber.ProxyUri, `${web.origin}/orders?all`)];
  const response = await endpoint.request({ peer, options, association: context });
  assert.deepEqual([response.code, fromUtf8(response.payload)], [Code.Content, 'Exterminate! Exterminate!']);
  assert.equal(response.association, context);
  assert.deepEqual(pathOf(seen[0]!.options), ['orders']);
  assert.equal(seen[0]!.code, Method.GET);
  // An observation that crosses HTTP is a plain request: it ends with the first answer.
  const stream = endpoint.observe({ peer, options, association: context });
  assert.equal((await stream.next()).value!.code, Code.Content);
  assert.equal((await stream.next()).done, true);
  web.server.close();
  web.server.closeAllConnections();
  const gone = await endpoint.request({ peer, options, association: context });
  assert.deepEqual([gone.code, gone.association], [Code.BadGateway, undefined]);
});
