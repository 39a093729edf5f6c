import { after } from 'node:test';
import { Code } from '../../src/coap/index.ts';
import { Californium } from './californium.ts';
import { testSpec5 } from './test-spec5.ts';
import { aiocoap, between, californium, us } from './test-spec5-ends.ts';

const java = californium(new Californium({ after }));

testSpec5(
  between('our client -> aiocoap server', us, aiocoap, {
    peer: 'aiocoap',
    // Each response to a request with Observe has an outer 2.05, also one that is no notification.
    outerCodes: { notification: Code.Content, other: Code.Content },
    without: { 16: 'aiocoap 0.4.17 takes the OSCORE option as one that it knows also where it has no context, and answers 4.04 for the path on the outside' },
  }),
);
testSpec5(between('aiocoap client -> our server', aiocoap, us, { peer: 'aiocoap' }));
testSpec5(
  between('our client -> Californium server', us, java, {
    peer: 'Californium',
    // The outer code of Californium 3.13.0 is 2.04 for notifications too.
    outerCodes: { notification: Code.Changed, other: Code.Changed },
  }),
);
testSpec5(
  between('Californium client -> our server', java, us, {
    peer: 'Californium',
    // Californium 3.13.0 looks for the observation of a response by its outer code and option: an outer 2.04 without Observe is answered with RST.
    endUnheard: true,
  }),
);
