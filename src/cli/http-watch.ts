import { endpointOf, type ServerEvent } from '../operate/index.ts';
import type { HttpObserver } from '../transport/index.ts';

/**
 * Tells of the requests of an HTTP server by its endpoints, and of connections that brought none.
 *
 * @param face - the name of the server among those of its process
 */
export function watchHttp(face: string, endpoints: () => readonly string[], emit: (event: ServerEvent) => void): Required<HttpObserver> {
  return {
    answered: ({ method, path, status, milliseconds }) =>
      emit({ type: 'http-answered', face, endpoint: endpointOf(path, endpoints()), method, status, milliseconds }),
    dropped: (peer, reason) => emit({ type: 'service', service: face, event: { type: 'connection-refused', reason, peer } as Told }),
  };
}

type Told = Extract<ServerEvent, { readonly type: 'service' }>['event'];
