// PeerShare's client asks the public broker, whatever server it comes from. Here it asks its own.
(() => {
  const CLOUD = "0.peerjs.com";
  const own = (address, scheme) => {
    let url;
    try {
      url = new URL(address, location.href);
    } catch {
      return address;
    }
    if (url.hostname !== CLOUD) return address;
    const secure = location.protocol === "https:" ? "s" : "";
    return `${scheme}${secure}://${location.host}${url.pathname}${url.search}`;
  };
  const ask = window.fetch;
  window.fetch = function (what, how) {
    const asked = what instanceof Request ? what.url : String(what);
    const meant = own(asked, "http");
    if (meant === asked) return ask.call(window, what, how);
    return ask.call(window, what instanceof Request ? new Request(meant, what) : meant, how);
  };
  window.WebSocket = new Proxy(window.WebSocket, {
    construct: (socket, [address, ...rest], target) =>
      Reflect.construct(socket, [own(String(address), "ws"), ...rest], target),
  });
})();
