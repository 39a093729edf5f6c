import type { CborKey, CborMap, CborValue } from '../../../src/core/cbor.ts';
import { Members, textOf, unfit } from '../members.ts';
import { type Entity, entityMap, readEntity } from './entity.ts';
import type { Area } from './geography.ts';

/** A spatial anchor or a spatial map (TS 23.437). */
export interface SpatialObject {
  readonly owner: Entity;
  readonly valServiceId: string;
  /** Where it is; of an anchor a position. */
  readonly area: Area;
  readonly tags: readonly string[];
  /** Who may see it, beside its owner. */
  readonly allowedEntities: readonly Entity[];
  /** The members that its owner gave. */
  readonly body: CborMap;
}

/** What differs between anchors and maps. */
export interface SpatialKind {
  /** What the scope names start with. */
  readonly scope: 'spatial-anchor' | 'spatial-map';
  readonly path: string;
  /** The member that is the id, and the one that a list of objects is in. */
  readonly idMember: string;
  readonly listMember: string;
  /** The member that says where. */
  readonly placeMember: string;
  readonly readPlace: (members: Members) => Area;
}

/** Degrees of latitude and longitude (TS 24.546, C.1.4.4.3). */
const parallel = 90;
const meridian = 180;
/** Metres (TS 24.546, Table C.1.4.3-2). */
const altitude = 32_767;

export const anchors: SpatialKind = {
  scope: 'spatial-anchor',
  path: '/su-san/v1/anchors',
  idMember: 'anchorId',
  listMember: 'anchors',
  placeMember: 'location',
  readPlace: (members) => {
    const location = members.map('location');
    const [lat, lon] = [location.number('lat', -parallel, parallel), location.number('lon', -meridian, meridian)];
    if (location.has('altitude')) location.number('altitude', -altitude, altitude);
    return { south: lat, west: lon, north: lat, east: lon };
  },
};

export const maps: SpatialKind = {
  scope: 'spatial-map',
  path: '/su-sm/v1/maps',
  idMember: 'mapId',
  listMember: 'maps',
  placeMember: 'area',
  readPlace: (members) => {
    const area = members.map('area');
    const [south, north] = [area.number('south', -parallel, parallel), area.number('north', -parallel, parallel)];
    if (south > north) throw unfit('area', 'south below north');
    return { south, north, west: area.number('west', -meridian, meridian), east: area.number('east', -meridian, meridian) };
  },
};

const mostTags = 16;
const mostEntities = 64;

/**
 * What a client sends, as an object of `owner`. What the client says of id and owner counts for nothing.
 *
 * @throws {SealError} `ERR_SEAL_MODEL`
 */
export function readObject(kind: SpatialKind, received: CborMap, owner: Entity): SpatialObject {
  const body = new Map(received);
  body.delete(kind.idMember);
  body.delete('owner');
  const members = new Members(body, kind.scope);
  return {
    owner,
    valServiceId: members.text('valServiceId'),
    area: kind.readPlace(members),
    tags: members.list('tags', textOf, { most: mostTags }),
    allowedEntities: members.list('allowedEntities', readEntity, { most: mostEntities }),
    body,
  };
}

/** All of an object. Whom it is shared with is for its owner alone to see. */
export function wholeOf(kind: SpatialKind, id: string, { owner, body }: SpatialObject, isOwner: boolean): CborMap {
  const whole = new Map<CborKey, CborValue>([...body, [kind.idMember, id], ['owner', entityMap(owner)]]);
  if (!isOwner) whole.delete('allowedEntities');
  return whole;
}

/** What a list says of an object. */
export function summaryOf(kind: SpatialKind, id: string, { owner, valServiceId, tags, body }: SpatialObject): CborMap {
  return new Map<CborKey, CborValue>([
    [kind.idMember, id],
    ['owner', entityMap(owner)],
    ['valServiceId', valServiceId],
    [kind.placeMember, body.get(kind.placeMember)],
    ...(tags.length === 0 ? [] : [['tags', tags] as const]),
  ]);
}
