import type { ResourceHandle } from '../coap/index.ts';
import type { ResourceConfig } from '../operate/index.ts';
import type { ResourceServer } from '../rs/index.ts';

type Stop = () => void;

const attributes = (title: string | undefined): { readonly title?: string; readonly ct: number } => ({ ...(title === undefined ? {} : { title }), ct: 0 });

/** A number that changes by itself, for trying things out. It wanders up to ten from where it began. */
function sensor(rs: ResourceServer, { path, unit = '', initial, interval = 2, title }: ResourceConfig): Stop {
  const begin = Number(initial ?? 21.5);
  const middle = Number.isFinite(begin) ? begin : 21.5;
  let value = middle;
  const handle: ResourceHandle = rs.resource(path, {
    observable: true,
    get: () => `${value.toFixed(1)}${unit === '' ? '' : ` ${unit}`}`,
    attributes: attributes(title),
  });
  const timer = setInterval(() => {
    value = Math.min(middle + 10, Math.max(middle - 10, value + (Math.random() - 0.5)));
    handle.changed();
  }, interval * 1000);
  timer.unref();
  return () => clearInterval(timer);
}

/** A text that can be read and written. */
function value(rs: ResourceServer, { path, initial = '', title }: ResourceConfig): Stop {
  let text = initial;
  const handle: ResourceHandle = rs.resource(path, {
    observable: true,
    get: () => text,
    put: (request) => {
      text = request.text();
      handle.changed();
      return undefined;
    },
    accepts: [0],
    attributes: attributes(title),
  });
  return () => {};
}

/** Lets a resource server serve what its configuration lists; the result stops what moves by itself. */
export function addResources(rs: ResourceServer, resources: readonly ResourceConfig[]): Stop {
  const stops = resources.map((resource) => (resource.kind === 'sensor' ? sensor : value)(rs, resource));
  return () => {
    for (const stop of stops) stop();
  };
}
