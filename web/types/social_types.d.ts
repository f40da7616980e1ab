export type Who = components["schemas"]["WhoAnswer"];
export type Party = components["schemas"]["PartyAnswer"];
export type Friend = components["schemas"]["FriendAnswer"];
/**
 * in a faction
 */
export type Membership = components["schemas"]["MembershipAnswer"];
export type PartyInvite = components["schemas"]["InviteAnswer"];
export type FactionInvite = components["schemas"]["FactionInviteAnswer"];
/**
 * to whom one is shown
 */
export type Visible = components["schemas"]["VisibleData"];
/**
 * all that a social window shows
 */
export type Social = components["schemas"]["SocialAnswer"];
export type Presence = components["schemas"]["SeenAnswer"];
export type PresenceQuery = {
    name?: string;
    world?: string;
    faction?: string;
    founded?: string;
    online?: boolean;
    limit?: number;
};
export type Belongings = components["schemas"]["BelongingsData"];
/**
 * an item in a mail
 */
export type Parcel = components["schemas"]["ContentAnswer"];
export type Mail = components["schemas"]["MailAnswer"];
export type NewMail = components["schemas"]["MailWish"];
/**
 * on the market
 */
export type Offer = components["schemas"]["OfferAnswer"];
/**
 * a page of them
 */
export type Offers = components["schemas"]["OffersAnswer"];
/**
 * what becomes of one whose leader calls
 */
export type Calls = components["schemas"]["CallsData"];
/**
 * on claimed ground
 */
export type Rights = components["schemas"]["RightsData"];
/**
 * in a faction
 */
export type Role = components["schemas"]["RoleData"];
/**
 * a faction among others
 */
export type FactionHead = components["schemas"]["FoundedAnswer"];
/**
 * all of one; the first of its roles leads
 */
export type FactionInfo = components["schemas"]["FoundedInfo"];
export type Claim = components["schemas"]["ClaimAnswer"];
/**
 * Something to tell the player; `server` comes from the game server itself.
 */
export type Notice = {
    type: "server";
    code: string;
    text: string;
} | {
    type: "party";
    party: Party | null;
} | {
    type: "party_invite";
    party: string;
    from: Who;
} | {
    type: "friend_request";
    from: Who;
} | {
    type: "friend";
    friend: Friend;
} | {
    type: "unfriended";
    id: string;
} | {
    type: "faction";
    faction: Membership | null;
} | {
    type: "faction_invite";
    faction: Who;
    role: string;
    from: Who;
} | {
    type: "faction_changed";
    id: string;
} | {
    type: "mail";
    unread: number;
} | {
    type: "market_sold";
    offer: string;
    money: number;
} | {
    type: "claim";
    claim: ({
        faction: string;
        name: string;
    } & Record<string, unknown>) | null;
} | {
    type: "command";
    text: string;
    ok: boolean;
    code?: string;
    commands?: {
        shape: string;
        does: string;
    }[];
} | {
    type: "gather";
    from: Who;
    world: string;
    map: string;
    asks_s: number;
} | {
    type: "muted";
    until_ms: number;
};
import type { components } from "../types/openapi.js";
