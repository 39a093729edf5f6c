import { oscoreProfile } from '../../../profiles/oscore/index.ts';
import { profileCompliance } from '../compliance.ts';

const id = Uint8Array.of(1);

profileCompliance({
  name: 'coap_oscore',
  party: ({ simulator, address, port }) => ({ profile: oscoreProfile, transport: simulator.transport(address, port) }),
  replaced: '4.01',
  badCredentials: [
    undefined,
    null,
    'secret',
    {},
    { masterSecret: 'text', senderId: id, recipientId: id },
    { masterSecret: new Uint8Array(15), senderId: id, recipientId: Uint8Array.of(2) },
    { masterSecret: new Uint8Array(16), senderId: id },
    { masterSecret: new Uint8Array(16), senderId: id, recipientId: id },
    { masterSecret: new Uint8Array(16), senderId: id, recipientId: Uint8Array.of(2), aead: 4711 },
  ],
});
