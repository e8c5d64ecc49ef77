/* What a layer asks of the disk file by file, asked in one call for many, while other threads have the interpreter.
 *
 * Nothing is decided here: `disk.py` says what these functions are for and does the same without them. A file that gives any
 * trouble is left to it, and so are all messages.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __APPLE__
#define st_mtim st_mtimespec
#define st_ctim st_ctimespec
#endif

#define INTERFACE 1 /* what disk.py expects of these functions: a module that was compiled from an older source is not used */
#define AT_ONCE 256 /* names that are looked at before the interpreter is wanted again: 38 KiB of the stack */
#define NANOSECONDS 1000000000LL

/* A stretch of a file, where its bytes go, and what the file has to be. Numbers are taken modulo 2^64, as comparing needs no more.
 * The ctime is not compared, as it is not in context.py: another mode or another link is not another content. */
struct part {
    const char *path;
    unsigned long long device, inode, size, mtime_ns, ctime_ns;
    long long offset;
    Py_ssize_t position, length;
};

static int is_unchanged(int fd, const struct part *part) {
    struct stat facts;
    if (fstat(fd, &facts) != 0)
        return 0;
    uint64_t mtime_ns = (uint64_t)facts.st_mtim.tv_sec * NANOSECONDS + (uint64_t)facts.st_mtim.tv_nsec;
    return (uint64_t)facts.st_dev == part->device && (uint64_t)facts.st_ino == part->inode &&
           (uint64_t)facts.st_size == part->size && mtime_ns == part->mtime_ns;
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

/* A part from a FilePart; its path stays that of the Python object. */
static int parse_part(PyObject *file, struct part *part) {
    /* Tuples cannot change, so that what is borrowed from them stays. */
    if (!PyTuple_Check(file) || PyTuple_GET_SIZE(file) != 4 || !PyTuple_Check(PyTuple_GET_ITEM(file, 1))) {
        PyErr_SetString(PyExc_TypeError, "a part of a file is a tuple with a tuple in it");
        return 0;
    }
    return PyArg_ParseTuple(file, "n(yKKKKK)Ln", &part->position, &part->path, &part->device, &part->inode, &part->size,
                            &part->mtime_ns, &part->ctime_ns, &part->offset, &part->length);
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

static PyObject *as_tuple(const struct stat *facts) {
    return Py_BuildValue("(kkkLNNKKK)", (unsigned long)facts->st_mode, (unsigned long)facts->st_uid,
                         (unsigned long)facts->st_gid, (long long)facts->st_size, nanoseconds(facts->st_mtim),
                         nanoseconds(facts->st_ctim), (unsigned long long)facts->st_ino,
                         (unsigned long long)facts->st_dev, (unsigned long long)facts->st_nlink);
}

/* The facts of names[start] and at most AT_ONCE - 1 that follow, appended to `found`; how many, or -1 with an error set. */
static Py_ssize_t look_at_some(int directory, PyObject *names, Py_ssize_t start, PyObject *found) {
    const char *paths[AT_ONCE];
    struct stat facts[AT_ONCE];
    Py_ssize_t count = PyTuple_GET_SIZE(names) - start, seen = 0;
    if (count > AT_ONCE)
        count = AT_ONCE;
    for (Py_ssize_t i = 0; i < count; i++)
        if ((paths[i] = PyBytes_AsString(PyTuple_GET_ITEM(names, start + i))) == NULL)
            return -1;
    Py_BEGIN_ALLOW_THREADS
    while (seen < count && fstatat(directory, paths[seen], &facts[seen], AT_SYMLINK_NOFOLLOW) == 0)
        seen++;
    Py_END_ALLOW_THREADS
    if (seen < count) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *each = as_tuple(&facts[i]);
        if (each == NULL || PyList_Append(found, each) < 0) {
            Py_XDECREF(each);
            return -1;
        }
        Py_DECREF(each);
    }
    return count;
}

static PyObject *look(PyObject *module, PyObject *arguments) {
    (void)module;
    int directory;
    PyObject *names;
    if (!PyArg_ParseTuple(arguments, "iO!", &directory, &PyTuple_Type, &names))
        return NULL;
    PyObject *found = PyList_New(0);
    Py_ssize_t count = found == NULL ? -1 : 0;
    for (Py_ssize_t start = 0; count >= 0 && start < PyTuple_GET_SIZE(names); start += count)
        count = look_at_some(directory, names, start, found);
    if (count < 0)
        Py_CLEAR(found);
    return found;
}

static PyMethodDef functions[] = {
    {"look", look, METH_VARARGS, "look(directory, names): the facts of each name, no link followed."},
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
