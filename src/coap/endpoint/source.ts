import type { Peer, Requester, ResponseListener } from '../layer.ts';
import type { MessageLayer } from '../messaging/message-layer.ts';
import { originVia } from '../proxy/client.ts';

/**
 * Send each operation, with all that belongs to it, under the association of its peer where the request names none; and from a source port that has message ids
 * left, of which who asked sees nothing.
 */
export function fromSource(messaging: MessageLayer, next: Requester): Requester {
  return (given, listener) => {
    const { association } = given.peer;
    // V8 copies faster into an object that has the property already.
    const request = association === undefined || given.association !== undefined ? given : { association, ...given };
    const peer = sourceFor(messaging, request.peer);
    return peer === request.peer ? next(request, listener) : next({ ...request, peer }, asFromFirst(listener));
  };
}

function sourceFor(messaging: MessageLayer, peer: Peer): Peer {
  const { via } = peer;
  if (via === undefined) return messaging.sourceFor(peer);
  const proxy = messaging.sourceFor(via);
  return proxy === via ? peer : originVia(proxy, peer.address, peer.port);
}

function asFromFirst(listener: ResponseListener): ResponseListener {
  return {
    response: (response, last) => {
      const first = response.peer?.source?.first;
      listener.response(first === undefined ? response : { ...response, peer: first }, last);
    },
    error: (error) => listener.error(error),
    acknowledged: () => listener.acknowledged?.(),
  };
}
