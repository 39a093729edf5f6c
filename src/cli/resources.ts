import type { Resource, ResourceHandle } from '../coap/index.ts';
import { sameValue } from '../core/same-value.ts';
import type { ResourceConfig } from '../operate/index.ts';

/** A resource that is served; `remove` also ends what moves by itself. */
type Served = Pick<ResourceHandle, 'remove'>;

/** A router, or a resource server. */
interface Site {
  resource(path: string, resource: Resource): ResourceHandle;
}

const attributes = (title: string | undefined): { readonly title?: string; readonly ct: number } => ({ ...(title === undefined ? {} : { title }), ct: 0 });

/** A number that changes by itself, for trying things out. It wanders up to ten from where it began. */
function sensor(site: Site, { path, unit = '', initial, interval = 2, title }: ResourceConfig): Served {
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
  return {
    remove: () => {
      clearInterval(timer);
      handle.remove();
    },
  };
}

/** A text that can be read and written. */
function value(site: Site, { path, initial = '', title }: ResourceConfig): Served {
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
  return handle;
}

/** Takes what is sent to it, and shows the last. */
function inbox(site: Site, { path, initial = '', title }: ResourceConfig): Served {
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
  return handle;
}

const kinds = { sensor, value, inbox };

/** What has become of resources, by path. */
export interface ResourceChanges {
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly removed: readonly string[];
}

/** The resources of a configuration, where they are served. */
export class ServedResources {
  readonly #site: Site;
  readonly #served = new Map<string, { readonly config: ResourceConfig; readonly handle: Served }>();

  constructor(site: Site) {
    this.#site = site;
  }

  /**
   * Serve these and no others: what is the same stays, with its value and its observers.
   *
   * @throws {CoapError} `ERR_COAP_RESOURCE` for a path that is none or taken; then all is as it was
   */
  become(resources: readonly ResourceConfig[]): ResourceChanges {
    const added = resources.filter(({ path }) => !this.#served.has(path));
    const changed = resources.filter((config) => this.#served.has(config.path) && !sameValue(this.#served.get(config.path)!.config, config));
    const removed = [...this.#served.keys()].filter((path) => !resources.some((config) => config.path === path));
    try {
      for (const config of added) this.#add(config);
    } catch (error) {
      for (const { path } of added) this.#remove(path);
      throw error;
    }
    for (const path of removed) this.#remove(path);
    for (const config of changed) {
      this.#remove(config.path);
      this.#add(config);
    }
    const pathsOf = (configs: readonly ResourceConfig[]): string[] => configs.map(({ path }) => path);
    return { added: pathsOf(added), changed: pathsOf(changed), removed };
  }

  #add(config: ResourceConfig): void {
    this.#served.set(config.path, { config, handle: kinds[config.kind](this.#site, config) });
  }

  #remove(path: string): void {
    this.#served.get(path)?.handle.remove();
    this.#served.delete(path);
  }
}
