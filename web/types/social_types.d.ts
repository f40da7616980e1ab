export type Who = {
    id: string;
    name: string;
};
/**
 * members in the order in which they came
 */
export type Party = {
    id: string;
    leader: string;
    members: Who[];
};
/**
 * place: where one may know it
 */
export type Friend = {
    id: string;
    name: string;
    online: boolean;
    world: string | null;
    place?: string | null;
    status?: string | null;
};
/**
 * in a faction
 */
export type Membership = {
    id: string;
    name: string;
    role: string;
};
export type PartyInvite = {
    party: string;
    from: Who;
};
export type FactionInvite = {
    faction: Who;
    role: string;
    from: Who;
};
/**
 * to whom one is shown
 */
export type Visible = "everybody" | "friends" | "nobody";
/**
 * on claimed ground
 */
export type Rights = {
    gather: boolean;
    build: boolean;
};
/**
 * All that a social window shows.
 */
export type Social = {
    status: {
        text: string;
        visible: Visible;
    };
    friends: Friend[];
    requests: {
        in: Who[];
        out: Who[];
    };
    blocked: Who[];
    party: Party | null;
    invites: PartyInvite[];
    faction: Membership | null;
    faction_invites: FactionInvite[];
    unread_mail: number;
};
export type Presence = {
    id: string;
    name: string;
    online: boolean;
    world?: string | null | undefined;
    faction?: string | null | undefined;
    status?: string | null | undefined;
    place?: string | null | undefined;
};
export type PresenceQuery = {
    name?: string;
    world?: string;
    faction?: string;
    online?: boolean;
    limit?: number;
};
export type Belongings = {
    items: {
        id: string;
        slot: number;
        template: string;
        quantity: number;
    }[];
    money: {
        currency: string;
        amount: number;
    }[];
};
/**
 * an item in a mail
 */
export type Parcel = {
    item: string;
    template: string;
    count: number;
};
export type Mail = {
    id: string;
    from: string;
    subject: string;
    text: string;
    items: Parcel[];
    money: number;
    sent_ms: number;
    read: boolean;
    claimed: boolean;
};
export type NewMail = {
    to: string;
    subject: string;
    text: string;
    items: {
        item: string;
        count: number;
    }[];
    money: number;
};
export type Offer = {
    id: string;
    seller: string;
    template: string;
    count: number;
    price: number;
    until_ms: number;
};
export type Role = {
    name: string;
    permissions: string[];
};
export type FactionHead = {
    id: string;
    name: string;
    title: string;
    about: string;
    open: boolean;
    members: number;
};
export type Claim = {
    area: string;
    until_ms: number;
    owner: Rights;
    ally: Rights;
    guest: Rights;
};
export type FactionInfo = {
    id: string;
    world: string;
    name: string;
    title: string;
    about: string;
    /**
     * whether one joins without an invitation
     */
    open: boolean;
    spawn: unknown;
    /**
     * the first one leads
     */
    roles: Role[];
    members: {
        id: string;
        name: string;
        role: string;
        online: boolean;
    }[];
    relations: {
        faction: Who;
        relation: "ally" | "enemy" | "neutral";
    }[];
    claims: Claim[];
};
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
} | {
    type: "gather";
    from: Who;
    world: string;
    map: string | null;
} | {
    type: "muted";
    until_ms: number;
} | {
    type: "announce";
    text: string;
};
