# What `cmake --install` and `cpack` give. Three components, which Debian packages are made of: `compiler` needs LLVM
# and MLIR, `runtime` needs the C library alone, `development` is what programs are built with that embed the runtime.
# No file says where it was built or installed.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
find_package(Threads REQUIRED)

# One library of the core, its devices and the text layer, shared and static. Both are made of the objects of the parts.
set(parts YupanaRuntime YupanaCpuRank YupanaRoom YupanaFiles YupanaCudaDevice YupanaProfile YupanaText)
set(objects)
foreach(part ${parts})
  list(APPEND objects $<TARGET_OBJECTS:${part}>)
endforeach()
add_library(YupanaShared SHARED ${objects})
add_library(YupanaStatic STATIC ${objects})
foreach(library YupanaShared YupanaStatic)
  set_target_properties(${library} PROPERTIES OUTPUT_NAME yupana LINKER_LANGUAGE CXX)
  target_include_directories(${library} INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
endforeach()
set(map ${CMAKE_SOURCE_DIR}/tools/package/libyupana.map)
set_target_properties(YupanaShared PROPERTIES EXPORT_NAME runtime VERSION ${PROJECT_VERSION} SOVERSION 0.1
                      LINK_DEPENDS ${map})
target_link_options(YupanaShared PRIVATE -static-libstdc++ -static-libgcc LINKER:--gc-sections,--no-undefined
                    LINKER:--version-script=${map})
target_link_libraries(YupanaShared PRIVATE Threads::Threads ${CMAKE_DL_LIBS})
# The archive brings no C++ library along.
set_target_properties(YupanaStatic PROPERTIES EXPORT_NAME runtime_static)
target_link_libraries(YupanaStatic INTERFACE stdc++ m pthread ${CMAKE_DL_LIBS})
string(REPLACE ";" " -l" YUPANA_STATIC_NEEDS "-lstdc++;m;pthread;${CMAKE_DL_LIBS}")

# Man pages and completions, made of what the programs say to --help.
set(programs $<TARGET_FILE:yupana-run> $<TARGET_FILE:yupana-bench>)
set(program_targets yupana-run yupana-bench)
if(TARGET yupana)
  list(PREPEND programs $<TARGET_FILE:yupana>)
  list(PREPEND program_targets yupana)
endif()
find_program(YUPANA_PAGES_PYTHON python3 REQUIRED)
set(pages ${CMAKE_BINARY_DIR}/pages)
add_custom_command(
  OUTPUT ${pages}/made
  COMMAND ${CMAKE_COMMAND} -E rm -rf ${pages}
  COMMAND ${YUPANA_PAGES_PYTHON} -B ${CMAKE_SOURCE_DIR}/tools/package/pages.py ${pages} ${programs}
  COMMAND ${CMAKE_COMMAND} -E touch ${pages}/made
  DEPENDS ${CMAKE_SOURCE_DIR}/tools/package/pages.py ${program_targets}
  COMMENT "Making man pages and completions of the help texts"
  VERBATIM)
add_custom_target(YupanaPages ALL DEPENDS ${pages}/made)
# Everything that is installed, for who does not want the tests.
add_custom_target(YupanaInstallable DEPENDS YupanaPages YupanaShared YupanaStatic ${program_targets})

# yupana_install_program(target component)
function(yupana_install_program target component)
  install(TARGETS ${target} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT ${component})
  install(DIRECTORY ${pages}/man/ DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT ${component}
          FILES_MATCHING REGEX "/${target}${ARGN}\\.1$")
  install(FILES ${pages}/bash/${target} DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
          COMPONENT ${component})
  install(FILES ${pages}/zsh/_${target} DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions
          COMPONENT ${component})
  install(FILES ${pages}/fish/${target}.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d
          COMPONENT ${component})
endfunction()

yupana_install_program(yupana-run runtime)
yupana_install_program(yupana-bench runtime)
if(TARGET yupana)
  # MLIR is in a folder of its own that the system's loader does not look in.
  set_target_properties(yupana PROPERTIES INSTALL_RPATH_USE_LINK_PATH ON)
  yupana_install_program(yupana compiler "(-(check|compile|inspect|refit|targets|tune|verify))?")
  # Where `yupana verify --simulate` looks for it, whatever the folder of libraries is called.
  install(TARGETS yupana-simdriver LIBRARY DESTINATION lib COMPONENT compiler)
endif()
install(TARGETS YupanaShared EXPORT YupanaTargets
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT runtime NAMELINK_COMPONENT development)
install(TARGETS YupanaStatic EXPORT YupanaTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
install(DIRECTORY runtime/include/yupana DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)

set(config_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Yupana)
install(EXPORT YupanaTargets NAMESPACE Yupana:: DESTINATION ${config_dir} COMPONENT development)
configure_package_config_file(tools/package/YupanaConfig.cmake.in ${CMAKE_BINARY_DIR}/package/YupanaConfig.cmake
                              INSTALL_DESTINATION ${config_dir} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/package/YupanaConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
file(RELATIVE_PATH YUPANA_PC_TO_PREFIX /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
configure_file(tools/package/yupana.pc.in ${CMAKE_BINARY_DIR}/package/yupana.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/package/YupanaConfig.cmake ${CMAKE_BINARY_DIR}/package/YupanaConfigVersion.cmake
        DESTINATION ${config_dir} COMPONENT development)
install(FILES ${CMAKE_BINARY_DIR}/package/yupana.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig
        COMPONENT development)
foreach(component compiler runtime development)
  set(package_compiler yupana)
  set(package_runtime yupana-runtime)
  set(package_development libyupana-dev)
  if(component STREQUAL "compiler" AND NOT TARGET yupana)
    continue()
  endif()
  install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${package_${component}} RENAME copyright
          COMPONENT ${component})
endforeach()

# Debian packages: cpack -G DEB.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_CONTACT "The Yupana authors <yupana@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "ahead-of-time compiler and runtime for Llama 4 models")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_ALL runtime development)
if(TARGET yupana)
  list(PREPEND CPACK_COMPONENTS_ALL compiler)
endif()
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_COMPILER_PACKAGE_NAME yupana)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME yupana-runtime)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libyupana-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SHLIBDEPS OFF)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "yupana-runtime (= ${PROJECT_VERSION})")
# Links the code of CPU targets; dpkg sees libraries alone.
set(CPACK_DEBIAN_COMPILER_PACKAGE_DEPENDS lld-22)
set(CPACK_DEBIAN_COMPILER_PACKAGE_RECOMMENDS "yupana-runtime (= ${PROJECT_VERSION})")
set(CPACK_COMPONENT_COMPILER_DESCRIPTION
    "Compiles checkpoints into plans, and checks, refits, verifies and inspects plans.")
set(CPACK_COMPONENT_RUNTIME_DESCRIPTION
    "Runs plans and measures them: yupana-run, yupana-bench and the library libyupana. Needs no compiler.")
set(CPACK_COMPONENT_DEVELOPMENT_DESCRIPTION
    "Embeds the runtime in programs: headers, an archive, a CMake package and a pkg-config file.")
include(CPack)
