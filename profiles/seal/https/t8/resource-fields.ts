import { authorize, type T8Context, testNotification } from './context.ts';
import { type DeviceName, type Fields, isBoolean, isText } from './fields.ts';
import type { JsonObject } from './json.ts';
import type { T8Api } from './policy.ts';
import { T8Error } from './t8-error.ts';

/** What the resources of both APIs have: whose they are, which device they are for, and where notifications go. */
export interface T8Resource {
  readonly scsAsId: string;
  readonly name: DeviceName;
  readonly device: string;
  readonly supportedFeatures?: string;
  readonly notificationDestination: string;
}

/**
 * Read what the resources of both APIs have, after what is their own has been read: all that is wrong is told at once.
 *
 * @throws {T8Error} `ERR_T8_REQUEST`, `ERR_T8_FORBIDDEN`
 */
export async function resourceOf(context: T8Context, scsAsId: string, api: T8Api, fields: Fields): Promise<T8Resource> {
  const name = fields.device();
  const supportedFeatures = fields.features(testNotification);
  const notificationDestination = destinationOf(fields, context);
  fields.optional('requestTestNotification', 'true or false', isBoolean);
  fields.done();
  const { externalId: device } = await authorize(context, scsAsId, api, name!);
  return {
    scsAsId,
    name: name!,
    device,
    ...(supportedFeatures === undefined ? {} : { supportedFeatures }),
    notificationDestination: notificationDestination!,
  };
}

/** The destination of notifications that a request names. */
function destinationOf(fields: Fields, { destinations }: T8Context): string | undefined {
  const text = fields.read(
    'notificationDestination',
    'a URI with the scheme https',
    isText(() => true),
  );
  const fault = text === undefined ? undefined : destinations.fault(text);
  if (fault !== undefined) fields.refuse('notificationDestination', fault, 'MANDATORY_IE_INCORRECT');
  return text;
}

/** Send what shows that notifications arrive, if the request that made the resource wants it and both sides have the feature. */
export async function sendTestNotification({ outbox }: T8Context, resource: T8Resource, { requestTestNotification }: JsonObject, uri: string): Promise<void> {
  const { scsAsId, supportedFeatures, notificationDestination: destination } = resource;
  if (requestTestNotification !== true || supportedFeatures !== testNotification.toString(16)) return;
  await outbox.send({ scsAsId, destination, body: JSON.stringify({ subscription: uri }) });
}

/**
 * What is there with a patch in it; what the patch has as null is gone (RFC 7396, Section 2).
 *
 * @throws {T8Error} `ERR_T8_REQUEST` for a member that may not be changed
 */
export function patchedBy(patch: JsonObject, whole: JsonObject, patchable: readonly string[]): JsonObject {
  const others = Object.keys(patch).filter((name) => !patchable.includes(name));
  if (others.length > 0)
    throw new T8Error('ERR_T8_REQUEST', 'expected members that may be changed, got others', {
      reason: 'MODIFICATION_NOT_ALLOWED',
      invalidParams: others.map((name) => ({ param: `/${name}`, reason: `expected one of ${patchable.join(', ')}` })),
    });
  return Object.fromEntries(Object.entries({ ...whole, ...patch }).filter(([, value]) => value !== undefined && value !== null));
}
