// Adds what a plain form cannot do: dropping a file, a progress bar, and a sentence when the connection breaks off.
(function () {
  var words = JSON.parse(document.getElementById('words').textContent);
  var form = document.getElementById('form');
  var drop = document.getElementById('drop');
  var input = form.querySelector('input[type=file]');
  var bar = form.querySelector('progress');
  var trouble = form.querySelector('.trouble');
  var send = form.querySelector('button');
  document.querySelector('.when-scripted').hidden = false;

  function tell(text) {
    trouble.textContent = text;
    trouble.hidden = text === '';
  }

  ['dragover', 'dragenter'].forEach(function (name) {
    drop.addEventListener(name, function (event) { event.preventDefault(); drop.classList.add('over'); });
  });
  ['dragleave', 'drop'].forEach(function (name) {
    drop.addEventListener(name, function () { drop.classList.remove('over'); });
  });
  drop.addEventListener('drop', function (event) {
    event.preventDefault();
    if (event.dataTransfer.files.length > 0) input.files = event.dataTransfer.files;
  });

  form.addEventListener('submit', function (event) {
    event.preventDefault();
    if (input.files.length === 0) { tell(words.none); return; }
    if (input.files[0].size > words.limit) { tell(words.tooBig); return; }
    tell('');
    send.disabled = true;
    bar.hidden = false;
    bar.value = 0;
    var label = send.textContent;
    var request = new XMLHttpRequest();
    request.open('POST', location.href);
    // A sentence about a link that is no good any more comes in the language of this page, not of the browser.
    request.setRequestHeader('accept-language', document.documentElement.lang);
    request.upload.onprogress = function (progress) {
      if (!progress.lengthComputable) return;
      bar.value = Math.round((progress.loaded / progress.total) * 100);
      send.textContent = bar.value === 100 ? words.checking : words.sending.replace('{percent}', String(bar.value));
    };
    request.onload = function () {
      // The answer is a page: the receipt, or a sentence. A sentence is shown beside the form, so that another file can be chosen.
      var page = new DOMParser().parseFromString(request.responseText, 'text/html');
      if (request.status === 200 || request.status === 404 || request.status === 410) {
        document.querySelector('main').replaceWith(page.querySelector('main'));
        return;
      }
      var said = page.querySelector('.trouble');
      again(said ? said.textContent : words.failed);
    };
    request.onerror = request.onabort = request.ontimeout = function () { again(words.failed); };
    function again(text) {
      tell(text);
      send.disabled = false;
      send.textContent = label;
      bar.hidden = true;
      // A browser that lost the file (it was moved, or the page came back) must ask for it again.
      send.focus();
    }
    var data = new FormData();
    data.append('file', input.files[0], input.files[0].name);
    request.send(data);
  });
})();
