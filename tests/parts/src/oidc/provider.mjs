// A provider of OpenID Connect: panva's `oidc-provider`, certified by the OpenID Foundation, with the people and clients that a test
// names. Under /test/ are the ways in which a test turns keys, signs what the provider would not, and counts.

import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import { randomUUID } from "node:crypto";

const [modules, settings] = process.argv.slice(2);
const { Provider } = await import(`${modules}/oidc-provider/lib/index.js`);
const jose = await import(`${modules}/jose/dist/webapi/index.js`);
const { issuer, port, clients, people, audience } = JSON.parse(readFileSync(settings, "utf8"));

async function key(algorithm, kid) {
  const pair = await jose.generateKeyPair(algorithm, { extractable: true });
  return { ...(await jose.exportJWK(pair.privateKey)), kid, alg: algorithm, use: "sig" };
}

async function keys() {
  const turn = randomUUID().slice(0, 8);
  return [await key("RS256", `rsa-${turn}`), await key("ES256", `ec-${turn}`)];
}

const claimsOf = (login) => ({ sub: login, ...people[login] });

function made(keys) {
  return new Provider(issuer, {
    clients,
    jwks: { keys },
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["preferred_username", "groups"] },
    // What an engine reads is in the token, as with the providers that companies have.
    conformIdTokenClaims: false,
    pkce: { required: () => true },
    cookies: { keys: ["a key of a test"] },
    interactions: { url: (_, interaction) => `/person/${interaction.uid}` },
    findAccount: (_, login) => login in people && { accountId: login, claims: () => claimsOf(login) },
    extraTokenClaims: (_, token) => token.accountId && claimsOf(token.accountId),
    // Nobody is asked whether the client may know who they are.
    async loadExistingGrant(ctx) {
      const grant = new ctx.oidc.provider.Grant({
        clientId: ctx.oidc.client.clientId,
        accountId: ctx.oidc.session.accountId,
      });
      grant.addOIDCScope("openid email profile");
      grant.addResourceScope(audience, "api");
      await grant.save();
      return grant;
    },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => undefined,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({ scope: "api", audience, accessTokenFormat: "jwt", accessTokenTTL: 300 }),
      },
    },
  });
}

let held = await keys();
let provider = made(held);
let answer = provider.callback();
let looks = 0;

async function body(request) {
  let text = "";
  for await (const part of request) text += part;
  return text;
}

// A token with these claims: signed with a key of the provider, or with another that is called like it.
async function mint({ claims, header = {}, forged = false }) {
  const own = held.find((key) => key.alg === (header.alg ?? "RS256"));
  const signing = forged ? await key(own.alg, own.kid) : own;
  const now = Math.floor(Date.now() / 1000);
  const all = { iss: issuer, aud: audience, iat: now, exp: now + 300, ...claims };
  for (const [name, value] of Object.entries(all)) if (value === null) delete all[name];
  return new jose.SignJWT(all)
    .setProtectedHeader({ alg: own.alg, kid: own.kid, ...header })
    .sign(await jose.importJWK(signing, own.alg));
}

const page = (uid) => `<!doctype html><title>Who are you?</title><link rel="icon" href="data:,"><h1>Who are you?</h1>
<form method="post" action="/person/${uid}"><input id="login" name="login" autofocus><button id="enter">Enter</button></form>`;

createServer(async (request, response) => {
  const { pathname } = new URL(request.url, issuer);
  const say = (status, text, type = "text/plain") => response.writeHead(status, { "content-type": type }).end(text);
  try {
    if (pathname === "/jwks") looks += 1;
    if (pathname === "/test/looks") return say(200, String(looks));
    if (pathname === "/test/mint") return say(200, await mint(JSON.parse(await body(request))));
    if (pathname === "/test/turn") {
      held = await keys();
      provider = made(held);
      answer = provider.callback();
      return say(200, held[0].kid);
    }
    if (pathname.startsWith("/person/")) {
      if (request.method === "GET") return say(200, page(pathname.slice(8)), "text/html");
      const login = new URLSearchParams(await body(request)).get("login");
      if (!(login in people)) return say(403, "nobody of this name");
      return await provider.interactionFinished(request, response, { login: { accountId: login } });
    }
  } catch (error) {
    return say(500, String(error.stack));
  }
  return answer(request, response);
}).listen(port, "127.0.0.1", () => console.log("ready"));
