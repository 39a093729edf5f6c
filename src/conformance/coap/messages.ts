import { MessageType } from '../../coap/index.ts';
import { emptyBytes } from '../../core/bytes.ts';
import type { ConformanceCase } from '../case.ts';
import { describe } from '../datagram-line.ts';
import { Nonconformity } from '../errors.ts';

/** Messages and their reliability (RFC 7252, Sections 3 and 4). */
export const messageCases: readonly ConformanceCase[] = [
  {
    id: 'coap-msg-01',
    title: 'an Empty Confirmable message, the CoAP ping, is answered by a Reset with its message id',
    standard: 'RFC 7252',
    section: '4.2',
    level: 'MUST',
    needs: ['udp'],
    async run(bench) {
      const line = await bench.udp();
      const id = bench.messageId();
      line.send({ type: MessageType.CON, code: 0, id, token: emptyBytes, options: [], payload: emptyBytes });
      const answer = await line.message();
      if (answer === undefined) throw new Nonconformity('a Reset', 'nothing');
      if (answer.type !== MessageType.RST || answer.code !== 0 || answer.id !== id)
        throw new Nonconformity(`a Reset with message id ${id}`, `${describe(answer)} with message id ${answer.id}`);
    },
  },
];
