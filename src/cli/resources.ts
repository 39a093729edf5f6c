import type { Resource, ResourceHandle } from '../coap/index.ts';
import type { ResourceConfig } from '../operate/index.ts';

type Stop = () => void;

/** A router, or a resource server. */
interface Site {
  resource(path: string, resource: Resource): ResourceHandle;
}

const attributes = (title: string | undefined): { readonly title?: string; readonly ct: number } => ({ ...(title === undefined ? {} : { title }), ct: 0 });

/** A number that changes by itself, for trying things out. It wanders up to ten from where it began. */
function sensor(site: Site, { path, unit = '', initial, interval = 2, title }: ResourceConfig): Stop {
  const begin = Number(initial ?? 21.5);
  const middle = Number.isFinite(begin) ? begin : 21.5;
  let value = middle;
  const handle: ResourceHandle = site.resource(path, {
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
function value(site: Site, { path, initial = '', title }: ResourceConfig): Stop {
  let text = initial;
  const handle: ResourceHandle = site.resource(path, {
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

/** Takes what is sent to it, and shows the last. */
function inbox(site: Site, { path, initial = '', title }: ResourceConfig): Stop {
  let text = initial;
  const handle: ResourceHandle = site.resource(path, {
    observable: true,
    get: () => text,
    post: (request) => {
      text = request.text();
      handle.changed();
      return undefined;
    },
    attributes: attributes(title),
  });
  return () => {};
}

const kinds = { sensor, value, inbox };

/** Puts resources where they are served; the result stops what moves by itself. */
export function addResources(site: Site, resources: readonly ResourceConfig[]): Stop {
  const stops = resources.map((resource) => kinds[resource.kind](site, resource));
  return () => {
    for (const stop of stops) stop();
  };
}
