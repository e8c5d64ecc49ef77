/* What a layer asks of the disk file by file, asked in one call for many, while other threads have the interpreter.
 *
 * Nothing is decided here: `disk.py` says what these functions are for and does the same without them. A file that gives any
 * trouble is left to it, and so are all messages.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __APPLE__
#define st_mtim st_mtimespec
#define st_ctim st_ctimespec
#endif

#define INTERFACE 3 /* what disk.py expects of these functions: a module that was compiled from an older source is not used */
#define HELPERS 3 /* threads that list directories beside the caller's: a disk far away answers several at once */
#define WORTH_A_THREAD 16 /* directories */
#define NANOSECONDS 1000000000LL

/* What lstat says, laid out as the struct in disk.py. The first fields tell whether a file is what it was, up to the mtime: the
 * ctime is not compared, as it is not in context.py, since another mode or another link is not another content. */
#define FACTS_SIZE 68
#define IDENTITY_SIZE 16
#define UNCHANGED_SIZE 36

static char *put(char *end, const void *field, size_t size) {
    memcpy(end, field, size);
    return end + size;
}

static void pack_facts(const struct stat *facts, char packed[FACTS_SIZE]) {
    uint64_t identity[3] = {(uint64_t)facts->st_dev, (uint64_t)facts->st_ino, (uint64_t)facts->st_size};
    int64_t modified = facts->st_mtim.tv_sec, changed = facts->st_ctim.tv_sec;
    uint32_t modified_ns = (uint32_t)facts->st_mtim.tv_nsec, changed_ns = (uint32_t)facts->st_ctim.tv_nsec;
    uint32_t access[3] = {facts->st_mode, facts->st_uid, facts->st_gid};
    uint64_t names = facts->st_nlink;
    packed = put(packed, identity, sizeof identity);
    packed = put(put(packed, &modified_ns, sizeof modified_ns), &modified, sizeof modified);
    packed = put(packed, access, sizeof access);
    packed = put(put(packed, &changed, sizeof changed), &changed_ns, sizeof changed_ns);
    put(packed, &names, sizeof names);
}

/* A stretch of a file, where its bytes go, and the facts that it has to have. */
struct part {
    const char *path, *facts;
    long long offset;
    Py_ssize_t position, length;
};

static int is_unchanged(int fd, const struct part *part) {
    struct stat facts;
    char packed[FACTS_SIZE];
    if (fstat(fd, &facts) != 0)
        return 0;
    pack_facts(&facts, packed);
    return memcmp(packed, part->facts, UNCHANGED_SIZE) == 0;
}

static int was_read(char *buffer, const struct part *part) {
    /* The flags of context.py: no link is followed, and a FIFO does not block. */
    int fd = open(part->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return 0;
    char *into = buffer + part->position;
    Py_ssize_t done = 0;
    while (done < part->length) {
        ssize_t count = pread(fd, into + done, (size_t)(part->length - done), (off_t)(part->offset + done));
        if (count <= 0)
            break;
        done += count;
    }
    int is_right = done == part->length && is_unchanged(fd, part);
    close(fd);
    return is_right;
}

/* The path and the facts of what was Found, a tuple; they stay those of the Python objects. */
static int parse_found(PyObject *found, const char **path, const char **facts) {
    PyObject *first = PyTuple_GET_SIZE(found) > 1 ? PyTuple_GET_ITEM(found, 0) : NULL;
    PyObject *second = first == NULL ? NULL : PyTuple_GET_ITEM(found, 1);
    if (first == NULL || !PyBytes_Check(first) || !PyBytes_Check(second)) {
        PyErr_SetString(PyExc_TypeError, "what was found is a tuple of a path, its facts, and more");
        return 0;
    }
    *path = PyBytes_AS_STRING(first);
    *facts = PyBytes_AS_STRING(second);
    if (strlen(*path) == (size_t)PyBytes_GET_SIZE(first) && PyBytes_GET_SIZE(second) == FACTS_SIZE)
        return 1;
    PyErr_SetString(PyExc_ValueError, "a path has a NUL in it, or facts are of another size");
    return 0;
}

/* A part from a FilePart. */
static int parse_part(PyObject *file, struct part *part) {
    PyObject *content;
    /* Tuples cannot change, so that what is borrowed from them stays. */
    if (!PyTuple_Check(file)) {
        PyErr_SetString(PyExc_TypeError, "a part of a file is a tuple");
        return 0;
    }
    return PyArg_ParseTuple(file, "nO!Ln", &part->position, &PyTuple_Type, &content, &part->offset, &part->length) &&
           parse_found(content, &part->path, &part->facts);
}

/* A buffer that is filled from its beginning to its end: whatever lies between two pieces becomes zeros. */
struct filling {
    char *buffer;
    Py_ssize_t size, filled;
};

/* Go on to the end of the piece of `length` bytes at `position`; its bytes are for the caller to write. */
static int go_past(struct filling *filling, Py_ssize_t position, Py_ssize_t length) {
    if (position < filling->filled || length < 0 || position > filling->size || length > filling->size - position) {
        PyErr_SetString(PyExc_ValueError, "a piece lies outside of the segment, or upon another one");
        return 0;
    }
    memset(filling->buffer + filling->filled, 0, (size_t)(position - filling->filled));
    filling->filled = position + length;
    return 1;
}

/* Write the blocks, and zeros wherever there is neither a block nor a part of a file. */
static int fill_around(struct filling *filling, PyObject *blocks, const struct part *parts, Py_ssize_t count) {
    Py_ssize_t next = 0;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(blocks); i++) {
        PyObject *block = PyTuple_GET_ITEM(blocks, i);
        Py_ssize_t position, length;
        const char *bytes;
        if (!PyTuple_Check(block) || !PyArg_ParseTuple(block, "ny#", &position, &bytes, &length)) {
            if (!PyErr_Occurred())
                PyErr_SetString(PyExc_TypeError, "a block is a tuple");
            return 0;
        }
        for (; next < count && parts[next].position < position; next++)
            if (!go_past(filling, parts[next].position, parts[next].length))
                return 0;
        if (!go_past(filling, position, length))
            return 0;
        memcpy(filling->buffer + position, bytes, (size_t)length);
    }
    for (; next < count; next++)
        if (!go_past(filling, parts[next].position, parts[next].length))
            return 0;
    return go_past(filling, filling->size, 0);
}

/* How many of the parts at the front were read as they should be; -1 with an error set. */
static Py_ssize_t fill(char *buffer, Py_ssize_t size, PyObject *blocks, PyObject *files) {
    Py_ssize_t count = PyTuple_GET_SIZE(files), done = 0;
    struct filling filling = {buffer, size, 0};
    struct part *parts = PyMem_New(struct part, (size_t)(count ? count : 1));
    if (parts == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < count && done == 0; i++)
        if (!parse_part(PyTuple_GET_ITEM(files, i), &parts[i]))
            done = -1;
    if (done == 0 && !fill_around(&filling, blocks, parts, count))
        done = -1;
    if (done == 0) {
        Py_BEGIN_ALLOW_THREADS
        while (done < count && was_read(buffer, &parts[done]))
            done++;
        Py_END_ALLOW_THREADS
    }
    PyMem_Free(parts);
    return done;
}

static PyObject *load(PyObject *module, PyObject *arguments) {
    (void)module;
    Py_ssize_t size;
    PyObject *blocks, *files;
    if (!PyArg_ParseTuple(arguments, "nO!O!", &size, &PyTuple_Type, &blocks, &PyTuple_Type, &files))
        return NULL;
    if (size < 0) {
        PyErr_SetString(PyExc_ValueError, "a segment has no size below zero");
        return NULL;
    }
    PyObject *buffer = PyByteArray_FromStringAndSize(NULL, size); /* not zeros yet, which `bytearray(size)` would be */
    if (buffer == NULL)
        return NULL;
    Py_ssize_t done = fill(PyByteArray_AS_STRING(buffer), size, blocks, files);
    if (done < 0) {
        Py_DECREF(buffer);
        return NULL;
    }
    return Py_BuildValue("Nn", buffer, done);
}

/* As `st_mtime_ns`: exact for every time that a file system can hold, of which some are beyond 63 bits of nanoseconds. */
static PyObject *nanoseconds(struct timespec time) {
    long long whole_seconds = time.tv_sec;
    if (whole_seconds < INT64_MAX / NANOSECONDS && whole_seconds > INT64_MIN / NANOSECONDS)
        return PyLong_FromLongLong(whole_seconds * NANOSECONDS + time.tv_nsec);
    PyObject *seconds = PyLong_FromLongLong(whole_seconds), *factor = PyLong_FromLongLong(NANOSECONDS);
    PyObject *whole = seconds && factor ? PyNumber_Multiply(seconds, factor) : NULL;
    PyObject *rest = PyLong_FromLong(time.tv_nsec);
    PyObject *sum = whole && rest ? PyNumber_Add(whole, rest) : NULL;
    Py_XDECREF(seconds);
    Py_XDECREF(factor);
    Py_XDECREF(whole);
    Py_XDECREF(rest);
    return sum;
}

static struct timespec later(struct timespec one, struct timespec other) {
    int is_later = one.tv_sec != other.tv_sec ? one.tv_sec > other.tv_sec : one.tv_nsec > other.tv_nsec;
    return is_later ? one : other;
}

/* The path of a name in a directory; that of the root of all ends in a slash already. */
static PyObject *joined(PyObject *directory, const char *name) {
    size_t size = (size_t)PyBytes_GET_SIZE(directory), name_size = strlen(name);
    const char *above = PyBytes_AS_STRING(directory);
    size_t slash = size > 0 && above[size - 1] == '/' ? 0 : 1;
    PyObject *path = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(size + slash + name_size));
    if (path != NULL)
        put(put(put(PyBytes_AS_STRING(path), above, size), "/", slash), name, name_size);
    return path;
}

/* A name in a directory, its facts, and where it leads if it is a symbolic link. */
struct entry {
    char *name, *link;
    struct stat facts;
};

/* A directory by its path below the root and the facts that it has to have, and what is in it. */
struct listing {
    const char *path, *facts;
    struct entry *entries;
    size_t count, room;
    int is_done;
};

static int in_order(const void *one, const void *other) {
    return strcmp(((const struct entry *)one)->name, ((const struct entry *)other)->name); /* bytes, compared as unsigned */
}

static struct entry *append(struct listing *listing, const char *name) {
    if (listing->count == listing->room) {
        size_t room = listing->room ? 2 * listing->room : 16;
        struct entry *entries = realloc(listing->entries, room * sizeof *entries);
        if (entries == NULL)
            return NULL;
        listing->entries = entries;
        listing->room = room;
    }
    struct entry *entry = &listing->entries[listing->count];
    entry->link = NULL;
    entry->name = strdup(name);
    if (entry->name == NULL)
        return NULL;
    listing->count++;
    return entry;
}

static char *target_of(int directory, const struct entry *entry) {
    char target[PATH_MAX];
    ssize_t length = readlinkat(directory, entry->name, target, sizeof target);
    return length < 0 || (size_t)length == sizeof target ? NULL : strndup(target, (size_t)length);
}

/* Whether all that is in the open directory could be told. */
static int list_all(DIR *stream, struct listing *listing) {
    struct dirent *found;
    while ((errno = 0, found = readdir(stream)) != NULL) {
        if (strcmp(found->d_name, ".") == 0 || strcmp(found->d_name, "..") == 0)
            continue;
        struct entry *entry = append(listing, found->d_name);
        if (entry == NULL || fstatat(dirfd(stream), entry->name, &entry->facts, AT_SYMLINK_NOFOLLOW) != 0)
            return 0;
        if (S_ISLNK(entry->facts.st_mode) && (entry->link = target_of(dirfd(stream), entry)) == NULL)
            return 0;
    }
    return errno == 0;
}

static int is_the_same(int fd, const char *facts) {
    struct stat now;
    char packed[FACTS_SIZE];
    if (fstat(fd, &now) != 0)
        return 0;
    pack_facts(&now, packed);
    return memcmp(packed, facts, IDENTITY_SIZE) == 0;
}

static void list(int root, struct listing *listing) {
    /* The flags of context.py. On the way there a directory may have been swapped for a link: the identity tells. */
    int fd = openat(root, listing->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *stream = fd >= 0 && is_the_same(fd, listing->facts) ? fdopendir(fd) : NULL;
    if (stream == NULL) {
        if (fd >= 0)
            close(fd);
        return;
    }
    listing->is_done = list_all(stream, listing);
    closedir(stream);
    if (listing->count > 1)
        qsort(listing->entries, listing->count, sizeof *listing->entries, in_order);
}

/* Directories that several threads list, each the next one that is left. */
struct errand {
    int root;
    struct listing *listings;
    size_t count, next;
};

static void *run(void *given) {
    struct errand *errand = given;
    size_t mine;
    while ((mine = __atomic_fetch_add(&errand->next, 1, __ATOMIC_RELAXED)) < errand->count)
        list(errand->root, &errand->listings[mine]);
    return NULL;
}

static void run_on_threads(struct errand *errand) {
    pthread_t threads[HELPERS];
    size_t started = 0;
    while (started < HELPERS && started + 1 < errand->count / WORTH_A_THREAD)
        if (pthread_create(&threads[started], NULL, run, errand) == 0)
            started++;
        else
            break; /* then the others do it */
    run(errand);
    for (size_t i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
}

static PyObject *as_found(PyTypeObject *type, PyObject *directory, const struct entry *entry) {
    char packed[FACTS_SIZE];
    pack_facts(&entry->facts, packed);
    PyObject *fields = Py_BuildValue(
        "((Ny#kLKNy()))", joined(directory, entry->name), packed, (Py_ssize_t)FACTS_SIZE,
        (unsigned long)entry->facts.st_mode, (long long)entry->facts.st_size, (unsigned long long)entry->facts.st_nlink,
        nanoseconds(later(entry->facts.st_mtim, entry->facts.st_ctim)), entry->link ? entry->link : "");
    PyObject *found = fields == NULL ? NULL : PyTuple_Type.tp_new(type, fields, NULL);
    Py_XDECREF(fields);
    return found;
}

/* A list of what is in a directory. */
static PyObject *as_list(PyTypeObject *type, PyObject *directory, const struct listing *listing) {
    PyObject *list = PyList_New((Py_ssize_t)listing->count);
    for (size_t i = 0; list != NULL && i < listing->count; i++) {
        PyObject *found = as_found(type, directory, &listing->entries[i]);
        if (found == NULL)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, (Py_ssize_t)i, found);
    }
    return list;
}

/* The lists of the directories at the front, up to one that gave any trouble. */
static PyObject *as_lists(PyTypeObject *type, PyObject *directories, const struct errand *errand) {
    PyObject *lists = PyList_New(0);
    for (size_t i = 0; lists != NULL && i < errand->count && errand->listings[i].is_done; i++) {
        PyObject *directory = PyTuple_GET_ITEM(PyTuple_GET_ITEM(directories, (Py_ssize_t)i), 0);
        PyObject *list = as_list(type, directory, &errand->listings[i]);
        if (list == NULL || PyList_Append(lists, list) < 0)
            Py_CLEAR(lists);
        Py_XDECREF(list);
    }
    return lists;
}

static void clear(struct errand *errand) {
    for (size_t i = 0; i < errand->count; i++) {
        for (size_t j = 0; j < errand->listings[i].count; j++) {
            free(errand->listings[i].entries[j].name);
            free(errand->listings[i].entries[j].link);
        }
        free(errand->listings[i].entries);
    }
    PyMem_Free(errand->listings);
}

/* The path below the root, of which `start` bytes are left out: those of the root itself. */
static int parse_directory(PyObject *directory, Py_ssize_t start, struct listing *listing) {
    if (!PyTuple_Check(directory)) {
        PyErr_SetString(PyExc_TypeError, "a directory is a tuple");
        return 0;
    }
    if (!parse_found(directory, &listing->path, &listing->facts))
        return 0;
    Py_ssize_t length = PyBytes_GET_SIZE(PyTuple_GET_ITEM(directory, 0));
    listing->path = length > start ? listing->path + start : ".";
    return 1;
}

static PyObject *look(PyObject *module, PyObject *arguments) {
    (void)module;
    struct errand errand = {0};
    Py_ssize_t start;
    PyObject *directories, *lists = NULL;
    PyTypeObject *type;
    if (!PyArg_ParseTuple(arguments, "inO!O!", &errand.root, &start, &PyTuple_Type, &directories, &PyType_Type, &type))
        return NULL;
    if (start < 0 || !PyType_IsSubtype(type, &PyTuple_Type)) {
        PyErr_SetString(PyExc_TypeError, "what is found has to be a kind of tuple, and a path has no bytes before its first");
        return NULL;
    }
    size_t count = (size_t)PyTuple_GET_SIZE(directories);
    errand.listings = PyMem_Calloc(count ? count : 1, sizeof *errand.listings);
    if (errand.listings == NULL)
        return PyErr_NoMemory();
    while (errand.count < count &&
           parse_directory(PyTuple_GET_ITEM(directories, (Py_ssize_t)errand.count), start, &errand.listings[errand.count]))
        errand.count++;
    if (errand.count == count) {
        Py_BEGIN_ALLOW_THREADS
        run_on_threads(&errand);
        Py_END_ALLOW_THREADS
        lists = as_lists(type, directories, &errand);
    }
    clear(&errand);
    return lists;
}

static PyMethodDef functions[] = {
    {"look", look, METH_VARARGS, "look(root, start, directories, Found): what is in each of the directories, no link followed."},
    {"load", load, METH_VARARGS, "load(size, blocks, files): a segment, and how many of its files were read as they should be."},
    {NULL, NULL, 0, NULL},
};

static int add_interface(PyObject *module) {
    return PyModule_AddIntConstant(module, "INTERFACE", INTERFACE);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, add_interface},
#ifdef Py_mod_multiple_interpreters
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#ifdef Py_mod_gil
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "_disk", .m_methods = functions, .m_slots = slots,
};

PyMODINIT_FUNC PyInit__disk(void) {
    return PyModuleDef_Init(&definition);
}
