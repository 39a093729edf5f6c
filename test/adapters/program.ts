/**
 * A program as people write them for node-coap: one listener that looks at URL and method. It knows nothing of ours; `coap.createServer(listener)` is the one
 * line that is not here.
 */
import type { IncomingMessage, ObserveWriteStream, OutgoingMessage } from 'coap';

const large = Array.from({ length: 375 }, (_, line) => `${String(line).padStart(7, '0')}\n`).join('');
let led = 'off';

/** Bodies that came to /upload, by query. */
export const uploads: Map<string, string> = new Map();
/** How often an observer went away. */
export const watched: { begun: number; ended: number } = { begun: 0, ended: 0 };

export function listener(req: IncomingMessage, res: OutgoingMessage): void {
  const [path, query = ''] = req.url.split('?');
  switch (path) {
    case '/hello':
      res.setOption('Content-Format', 'text/plain');
      res.setOption('Max-Age', 30);
      res.end(`Hello ${query === '' ? 'World' : query}!`);
      break;
    case '/temperature':
      if (req.headers.Observe === 0) temperature(res as unknown as ObserveWriteStream);
      else res.end('21.5');
      break;
    case '/led':
      if (req.method === 'GET') res.end(led);
      else if (req.method === 'PUT') {
        led = req.payload.toString();
        res.code = '2.04';
        res.end();
      } else {
        res.code = '4.05';
        res.end();
      }
      break;
    case '/json':
      if (req.headers['Accept'] === 'application/json') {
        res.setOption('Content-Type', 'application/json');
        res.setHeader('ETag', 'v1');
        res.end(JSON.stringify({ path, query }));
      } else {
        res.statusCode = '4.06';
        res.end();
      }
      break;
    case '/large':
      res.end(large);
      break;
    case '/upload': {
      let body = '';
      req.on('data', (chunk: Buffer) => {
        body += chunk.toString();
      });
      req.on('end', () => {
        uploads.set(query, body);
        res.code = '2.01';
        res.setOption('Location-Path', [Buffer.from('log'), Buffer.from('7')]);
        res.end(String(body.length));
      });
      break;
    }
    case '/echo':
      req.pipe(res);
      break;
    case '/slow':
      setTimeout(() => res.end('slow'), 700);
      break;
    default:
      res.code = '4.04';
      res.end();
  }
}

/** Three states, and no more as soon as nobody listens. */
function temperature(res: ObserveWriteStream): void {
  let state = 0;
  watched.begun++;
  res.write(`2${state++}.5`);
  const timer = setInterval(() => {
    if (state < 3) res.write(`2${state++}.5`);
  }, 60);
  res.on('finish', () => {
    watched.ended++;
    clearInterval(timer);
  });
}
