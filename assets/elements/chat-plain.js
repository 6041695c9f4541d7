import { h } from "../dom.js";

/** Says why nothing can be encrypted here, and what to do. There is no chat without encryption instead. */
export class ChatPlain extends HTMLElement {
  connectedCallback() {
    const port = location.port ? `:${location.port}` : "";
    const here = `http://localhost${port}${location.pathname}`;
    const invited = location.hash.length > 1;
    this.replaceChildren(h("div", { class: "notice" },
      h("h2", {}, "This address cannot encrypt"),
      h("p", {}, `Browsers let a page encrypt only when it came over HTTPS, or from the machine itself. This one came over plain HTTP from ${location.host}. `
        + "Anybody on the way could have changed it, so the browser withholds what encryption needs (WebCrypto), and there is no chat without encryption here."),
      h("p", {}, "What you can do:"),
      h("ul", { class: "steps" },
        h("li", {}, "At the server's own machine, open ", h("a", { href: here }, here), "."),
        h("li", {}, "On other devices, open the chat at an address that begins with https. Whoever runs the server sets one up with a proxy or a tunnel that has a certificate; the README says how to start the server behind one."),
        invited && h("li", {}, "You came by an invitation. Its key is still in the address bar and was sent to nobody: put the https address in front of the part that begins with #."),
      ),
    ));
  }
}
