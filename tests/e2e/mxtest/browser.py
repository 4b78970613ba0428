"""A browser: cookies, redirects, and forms that are filled in and sent."""

import http.cookiejar
import html.parser
import ssl
import urllib.error
import urllib.parse
import urllib.request


class _Form(html.parser.HTMLParser):
    """The first form of a page: action, fields."""

    def __init__(self, text):
        super().__init__()
        self.action, self.fields, self._in = None, {}, False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        a = dict(attrs)
        if tag == "form" and self.action is None:
            self.action, self._in = a.get("action", ""), True
        elif tag == "input" and self._in and a.get("name"):
            self.fields[a["name"]] = a.get("value") or ""

    def handle_endtag(self, tag):
        if tag == "form":
            self._in = False


class _StopAt(urllib.request.HTTPRedirectHandler):
    """Redirects are followed, but not to where `stop` begins: that is the page then."""

    stop = None

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        if self.stop and newurl.startswith(self.stop):
            raise Stopped(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class Stopped(Exception):
    """A redirect to where the browser was not to go; url is its address."""

    def __init__(self, url):
        super().__init__(url)
        self.url = url


class Browser:
    """url, text: the page it is at."""

    def __init__(self, ca):
        self.url, self.text = None, ""
        self._redirects = _StopAt()
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=str(ca))),
            urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()), self._redirects)

    def open(self, url, fields=None, stop=None):
        """Goes there (POST with fields); returns the page's text."""
        self._redirects.stop = stop
        data = None if fields is None else urllib.parse.urlencode(fields).encode()
        try:
            with self._opener.open(urllib.request.Request(url, data=data), timeout=20) as reply:
                self.url, self.text = reply.url, reply.read().decode()
        except urllib.error.HTTPError as err:
            self.url, self.text = err.url, err.read().decode()
        return self.text

    def submit(self, **fields):
        """Sends the page's form with these fields filled in."""
        form = _Form(self.text)
        if form.action is None:
            raise AssertionError(f"no form at {self.url}:\n{self.text}")
        return self.open(urllib.parse.urljoin(self.url, form.action), {**form.fields, **fields})


def agree(ca, uri, code=None):
    """What the owner of a mailbox does: opens the address, enters the code, confirms, signs in; returns the last page."""
    browser = Browser(ca)
    browser.open(uri)
    browser.submit(**({"user_code": code} if code else {}))
    return browser.submit()


def abort(ca, uri, code):
    """The same, but the owner presses the other button."""
    browser = Browser(ca)
    browser.open(uri)
    browser.submit(user_code=code)
    return browser.submit(abort="yes")
