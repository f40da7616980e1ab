/** Register and log in. @module */

import { asRefusal } from "../lib/refusal.js";
import { $, input, showError, showScreen } from "./dom.js";

/** @import { Api } from "../lib/api.js" */

/** @param {Api} api @param {() => void} signedIn */
export function setUpSignIn(api, signedIn) {
  let registers = false;
  /** @param {boolean} now */
  const choose = (now) => {
    registers = now;
    $("tab-login").setAttribute("aria-selected", String(!now));
    $("tab-register").setAttribute("aria-selected", String(now));
    $("sign-in-go").textContent = now ? "Register" : "Log in";
    $("login-hint").hidden = now;
    $("password-hint").hidden = !now;
    input("account-password").autocomplete = now ? "new-password" : "current-password";
    showError("sign-in-error");
  };
  $("tab-login").onclick = () => choose(false);
  $("tab-register").onclick = () => choose(true);
  $("sign-in").querySelector("form")?.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = /** @type {HTMLButtonElement} */ ($("sign-in-go"));
    const [name, password] = [input("account-name").value, input("account-password").value];
    button.disabled = true;
    showError("sign-in-error");
    try {
      await (registers ? api.register(name, password) : api.login(name, password));
      input("account-password").value = "";
      signedIn();
    } catch (thrown) {
      showError("sign-in-error", asRefusal(thrown).text);
    } finally {
      button.disabled = false;
    }
  });
}

/** @param {string} [why] */
export function showSignIn(why = "") {
  showScreen("sign-in");
  showError("sign-in-error", why);
  input("account-name").focus();
}
